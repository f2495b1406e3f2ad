//! TLS of our own listener (RFC 9325): 1.2 and 1.3, HTTP/2 and HTTP/1.1, client certificates.
//!
//! The files are read again while the server runs; a set that is not right changes nothing, and
//! open connections keep what they began with.

mod files;
mod stream;

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use openssl::ssl::{
    AlpnError, Ssl, SslAcceptor, SslContext, SslMethod, SslOptions, SslRef, SslSessionCacheMode,
    SslVerifyMode, SslVersion, select_next_proto,
};
use tokio::io::{AsyncRead, AsyncWrite};

use super::certificate::ClientCertificate;
use crate::clock::{Clock, Timestamp};
use crate::config::{ClientCertificates, TlsSettings};
use crate::x509::{Anchors, Certificate};
use files::Files;
use stream::TlsStream;

pub use files::TlsFault;

/// Forward secrecy and authenticated encryption only (RFC 9325 section 4.2); 1.3 has nothing else.
const CIPHERS_1_2: &str = "ECDHE+AESGCM:ECDHE+CHACHA20";

/// The protocols that we speak, as ALPN writes them (RFC 7301 section 3.1), the best first.
const PROTOCOLS: &[u8] = b"\x02h2\x08http/1.1";

/// TLS as it is configured, or its absence.
pub struct Tls {
    settings: TlsSettings,
    clock: Arc<dyn Clock>,
    present: Arc<ArcSwap<Present>>,
    is_lenient: bool,
}

struct Present {
    /// None: plain HTTP.
    context: Option<SslContext>,
    /// The same, for who may show no client certificate where others must.
    lenient: Option<SslContext>,
    /// None: nobody vouches for a client certificate.
    anchors: Option<Anchors>,
}

/// A handshake that failed.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The listener does not speak TLS.
    #[error("there is no TLS here")]
    Off,
    /// OpenSSL could not begin.
    #[error("no handshake could begin: {0}")]
    Begin(#[from] openssl::error::ErrorStack),
    /// The peer broke it off, or what it sent is not good.
    #[error("the handshake failed: {0}")]
    Failed(#[from] openssl::ssl::Error),
}

impl Tls {
    /// Reads the files that `settings` name.
    ///
    /// # Errors
    /// The file that can not be read or is not right.
    pub fn open(settings: &TlsSettings, clock: Arc<dyn Clock>) -> Result<Self, TlsFault> {
        let present = Arc::new(ArcSwap::from_pointee(Present::load(settings, clock.now())?));
        Ok(Self { settings: settings.clone(), clock, present, is_lenient: false })
    }

    /// The same TLS, with files that are read again when those of this one are, for a listener
    /// whose callers may show a client certificate and need not: probes have none.
    #[must_use]
    pub fn lenient(&self) -> Self {
        let (settings, clock) = (self.settings.clone(), Arc::clone(&self.clock));
        Self { settings, clock, present: Arc::clone(&self.present), is_lenient: true }
    }

    /// No TLS: for a listener that only those who run the server reach.
    pub fn off(clock: Arc<dyn Clock>) -> Self {
        let present = Present { context: None, lenient: None, anchors: None };
        let present = Arc::new(ArcSwap::from_pointee(present));
        Self { settings: TlsSettings::default(), clock, present, is_lenient: false }
    }

    /// Reads the files that `settings` name, and says what is odd about them.
    ///
    /// # Errors
    /// The file that can not be read or is not right.
    pub fn check(settings: &TlsSettings, now: Timestamp) -> Result<Vec<TlsFault>, TlsFault> {
        let files = Files::read(settings)?;
        Present::of(settings, &files)?;
        Ok(files.oddities(now))
    }

    /// Reads the files again. Connections from now on use what they have.
    ///
    /// # Errors
    /// The file that can not be read or is not right; nothing has changed then.
    pub fn reload(&self) -> Result<(), TlsFault> {
        self.present.store(Arc::new(Present::load(&self.settings, self.clock.now())?));
        Ok(())
    }

    /// The files that were read.
    pub fn files(&self) -> Vec<PathBuf> {
        let TlsSettings { certificate, key, client_ca, client_certificates: _ } = &self.settings;
        [certificate, key, client_ca].into_iter().flatten().cloned().collect()
    }

    /// Whether the listener speaks TLS.
    pub const fn is_on(&self) -> bool {
        self.settings.is_on()
    }

    /// Whether an authority vouches for `certificate` now; `None` when there are no authorities.
    pub fn vouch_for(&self, certificate: &Certificate, chain: &[Certificate]) -> Option<bool> {
        let present = self.present.load();
        present.anchors.as_ref().map(|anchors| anchors.vouch_for(certificate, chain, self.now()))
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The handshake of one connection, and the certificate that the peer showed.
    pub(super) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> Result<(TlsStream<S>, Option<ClientCertificate>), HandshakeError> {
        let context = {
            let present = self.present.load();
            let context = if self.is_lenient { &present.lenient } else { &present.context };
            context.clone().ok_or(HandshakeError::Off)?
        };
        let mut stream = TlsStream::new(Ssl::new(&context)?, stream)?;
        stream.accept().await?;
        let shown = self.shown(stream.ssl());
        Ok((stream, shown))
    }

    /// The certificate whose key the peer has proved to hold.
    fn shown(&self, ssl: &SslRef) -> Option<ClientCertificate> {
        let read =
            |x509| Certificate::from_x509(x509).inspect_err(|error| tracing::info!(%error, "not taken"));
        let certificate = read(ssl.peer_certificate()?).ok()?;
        let chain: Vec<Certificate> = ssl
            .peer_cert_chain()
            .into_iter()
            .flatten()
            .filter_map(|x509| read(x509.to_owned()).ok())
            .collect();
        let is_trusted = self.vouch_for(&certificate, &chain).unwrap_or(false);
        Some(ClientCertificate { certificate: Arc::new(certificate), is_trusted })
    }
}

impl Present {
    fn load(settings: &TlsSettings, now: Timestamp) -> Result<Self, TlsFault> {
        let files = Files::read(settings)?;
        let present = Self::of(settings, &files)?;
        for oddity in files.oddities(now) {
            tracing::warn!(%oddity, "TLS");
        }
        Ok(present)
    }

    fn of(settings: &TlsSettings, files: &Files) -> Result<Self, TlsFault> {
        let asks = settings.client_certificates;
        let asks_gently = match asks {
            ClientCertificates::Off => ClientCertificates::Off,
            ClientCertificates::Optional | ClientCertificates::Required => ClientCertificates::Optional,
        };
        let context = |asks| {
            let identity = files.identity.as_ref();
            let made = identity.map(|identity| context(identity, asks)).transpose();
            made.map_err(|error| TlsFault::unusable(settings, &error))
        };
        let (strict, lenient) = (context(asks)?, context(asks_gently)?);
        Ok(Self { context: strict, lenient, anchors: files.anchors.clone() })
    }
}

fn context(
    identity: &files::Identity,
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
    // The handshake proves that the peer holds the key. Whether the chain leads to an authority
    // is asked after it, because a self-signed certificate is good for who registered its key.
    // No list of authorities is sent either: clients would keep such a certificate back.
    builder.set_verify_callback(mode, |_, _| true);
    // A resumed session has no chain any more.
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    builder.set_options(SslOptions::NO_TICKET);
    builder.set_num_tickets(0)?;
    Ok(builder.build().into_context())
}
