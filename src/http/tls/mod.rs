//! TLS of this server's listeners (RFC 9325): TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1, client certificates.
//!
//! The files are reloaded while the server runs. An invalid set of files changes nothing, and open
//! connections keep their certificates.

mod files;
mod stream;

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use openssl::ssl::{
    AlpnError, Ssl, SslAcceptor, SslContext, SslMethod, SslOptions, SslRef, SslSessionCacheMode,
    SslVerifyMode, SslVersion, select_next_proto,
};
use openssl::x509::X509;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::base::{Clock, Timestamp};
use crate::config::{ClientCertificates, TlsSettings};
use crate::http::ClientCertificate;
use crate::x509::{Anchors, Certificate};
use files::Files;
use stream::TlsStream;

pub(crate) use files::{TlsFault, first_end};

/// Forward secrecy and authenticated encryption only (RFC 9325 section 4.2); TLS 1.3 has nothing else.
const CIPHERS_1_2: &str = "ECDHE+AESGCM:ECDHE+CHACHA20";

/// The supported protocols in order of preference, in the format of ALPN (RFC 7301 section 3.1).
const PROTOCOLS: &[u8] = b"\x02h2\x08http/1.1";

/// The configured TLS, or plain HTTP.
pub(crate) struct Tls {
    settings: TlsSettings,
    clock: Arc<dyn Clock>,
    present: Arc<ArcSwap<Present>>,
    is_lenient: bool,
}

struct Present {
    /// None: plain HTTP.
    context: Option<SslContext>,
    /// The same context for callers that may omit a client certificate where others must present one.
    lenient: Option<SslContext>,
    /// None: no authority for client certificates is configured.
    anchors: Option<Anchors>,
    /// The options that name files of certificates, and when the first certificate in each file expires.
    ends: Vec<(&'static str, Timestamp)>,
}

/// A failed handshake.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    /// The listener does not use TLS.
    #[error("this listener does not use TLS")]
    Off,
    /// OpenSSL could not start the handshake.
    #[error("cannot start the TLS handshake: {0}")]
    Begin(#[from] openssl::error::ErrorStack),
    /// The peer aborted the handshake, or sent something invalid.
    #[error("the TLS handshake failed: {0}")]
    Failed(#[from] openssl::ssl::Error),
}

impl Tls {
    /// Reads the files in `settings`.
    ///
    /// # Errors
    /// The file that cannot be read or is invalid.
    pub(crate) fn open(settings: &TlsSettings, clock: Arc<dyn Clock>) -> Result<Self, TlsFault> {
        let present = Arc::new(ArcSwap::from_pointee(Present::load(settings, clock.now())?));
        Ok(Self {
            settings: settings.clone(),
            clock,
            present,
            is_lenient: false,
        })
    }

    /// Returns the same TLS for a listener whose callers may omit the client certificate, such as probes. Its
    /// files are reloaded together with the files of this one.
    #[must_use]
    pub(crate) fn lenient(&self) -> Self {
        let (settings, clock) = (self.settings.clone(), Arc::clone(&self.clock));
        Self {
            settings,
            clock,
            present: Arc::clone(&self.present),
            is_lenient: true,
        }
    }

    /// No TLS: for a listener that only the operators of the server can reach.
    pub(crate) fn off(clock: Arc<dyn Clock>) -> Self {
        let present = Present {
            context: None,
            lenient: None,
            anchors: None,
            ends: Vec::new(),
        };
        let present = Arc::new(ArcSwap::from_pointee(present));
        Self {
            settings: TlsSettings::default(),
            clock,
            present,
            is_lenient: false,
        }
    }

    /// Reads the files in `settings`. Returns warnings about them.
    ///
    /// # Errors
    /// The file that cannot be read or is invalid.
    pub(crate) fn check(settings: &TlsSettings, now: Timestamp) -> Result<Vec<TlsFault>, TlsFault> {
        let files = Files::read(settings)?;
        Present::of(settings, &files)?;
        Ok(files.oddities(now))
    }

    /// Returns the end of the server certificate in `settings`, if there is one.
    ///
    /// # Errors
    /// The file that cannot be read or is invalid.
    pub(crate) fn end(settings: &TlsSettings) -> Result<Option<Timestamp>, TlsFault> {
        Ok(Files::read(settings)?.end())
    }

    /// Reloads the files. They apply to new connections.
    ///
    /// # Errors
    /// The file that cannot be read or is invalid. Nothing has changed then.
    pub(crate) fn reload(&self) -> Result<(), TlsFault> {
        self.present
            .store(Arc::new(Present::load(&self.settings, self.clock.now())?));
        Ok(())
    }

    /// Returns the configured files.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let TlsSettings {
            certificate,
            key,
            client_ca,
            client_certificates: _,
        } = &self.settings;
        let named = [certificate, key, client_ca].into_iter().flatten();
        named.cloned().collect()
    }

    /// Returns the options that name files of certificates in use, and when the first certificate in each file expires.
    pub(crate) fn ends(&self) -> Vec<(&'static str, Timestamp)> {
        self.present.load().ends.clone()
    }

    /// Whether the listener uses TLS.
    pub(crate) const fn is_on(&self) -> bool {
        self.settings.is_on()
    }

    /// Whether `certificate` is valid now and signed by an authority; `None` if there are no authorities.
    pub(crate) fn vouch_for(
        &self,
        certificate: &Certificate,
        chain: &[Certificate],
    ) -> Option<bool> {
        let present = self.present.load();
        let anchors = present.anchors.as_ref()?;
        Some(anchors.vouch_for(certificate, chain, self.now()))
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Performs the handshake of one connection. Returns the stream and the certificate that the peer
    /// presented.
    pub(super) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> Result<(TlsStream<S>, Option<ClientCertificate>), HandshakeError> {
        let context = {
            let present = self.present.load();
            let context = if self.is_lenient {
                &present.lenient
            } else {
                &present.context
            };
            context.clone().ok_or(HandshakeError::Off)?
        };
        let mut stream = TlsStream::new(Ssl::new(&context)?, stream)?;
        stream.accept().await?;
        let shown = self.shown(stream.ssl());
        Ok((stream, shown))
    }

    /// Returns the certificate whose key the peer has proved to hold.
    fn shown(&self, ssl: &SslRef) -> Option<ClientCertificate> {
        let certificate = parsed(ssl.peer_certificate()?)?;
        let mut chain = Vec::new();
        for x509 in ssl.peer_cert_chain().into_iter().flatten() {
            chain.extend(parsed(x509.to_owned()));
        }
        let is_trusted = self.vouch_for(&certificate, &chain).unwrap_or(false);
        Some(ClientCertificate {
            certificate: Arc::new(certificate),
            is_trusted,
        })
    }
}

/// Parses a certificate that a peer presented.
fn parsed(x509: X509) -> Option<Certificate> {
    match Certificate::from_x509(x509) {
        Ok(certificate) => Some(certificate),
        Err(error) => {
            tracing::info!(%error, "client certificate rejected");
            None
        }
    }
}

impl Present {
    fn load(settings: &TlsSettings, now: Timestamp) -> Result<Self, TlsFault> {
        let files = Files::read(settings)?;
        let present = Self::of(settings, &files)?;
        for oddity in files.oddities(now) {
            tracing::warn!(%oddity, "TLS file warning");
        }
        Ok(present)
    }

    fn of(settings: &TlsSettings, files: &Files) -> Result<Self, TlsFault> {
        let asks = settings.client_certificates;
        let asks_gently = match asks {
            ClientCertificates::Off => ClientCertificates::Off,
            ClientCertificates::Optional | ClientCertificates::Required => {
                ClientCertificates::Optional
            }
        };
        let context = |asks| {
            let identity = files.identity.as_ref();
            let made = identity.map(|identity| context(identity, asks)).transpose();
            made.map_err(|error| TlsFault::unusable(settings, &error))
        };
        let (strict, lenient) = (context(asks)?, context(asks_gently)?);
        Ok(Self {
            context: strict,
            lenient,
            anchors: files.anchors.clone(),
            ends: files.ends(),
        })
    }
}

fn context(
    identity: &files::ServerIdentity,
    asks: ClientCertificates,
) -> Result<SslContext, openssl::error::ErrorStack> {
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
    builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    builder.set_cipher_list(CIPHERS_1_2)?;
    builder.set_options(SslOptions::NO_RENEGOTIATION);
    builder.set_certificate(&identity.certificate)?;
    for between in &identity.chain {
        builder.add_extra_chain_cert(between.clone())?;
    }
    builder.set_private_key(&identity.key)?;
    builder.check_private_key()?;
    builder.set_alpn_select_callback(|_, offered| {
        select_next_proto(PROTOCOLS, offered).ok_or(AlpnError::ALERT_FATAL)
    });
    let mode = match asks {
        ClientCertificates::Off => return Ok(builder.build().into_context()),
        ClientCertificates::Optional => SslVerifyMode::PEER,
        ClientCertificates::Required => SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT,
    };
    // The handshake proves that the peer holds the key. Whether the chain leads to an authority is checked
    // afterwards, because a self-signed certificate is valid for the client that registered its key. For the
    // same reason no list of authorities is sent: clients would then not present such a certificate.
    builder.set_verify_callback(mode, |_, _| true);
    // A resumed session has no certificate chain.
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    builder.set_options(SslOptions::NO_TICKET);
    builder.set_num_tickets(0)?;
    Ok(builder.build().into_context())
}
