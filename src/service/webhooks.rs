//! What the configuration of a webhook refers to: the clients that it selects, and the file with its secrets.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use secrecy::zeroize::Zeroizing;

use crate::base::{Secret, Timestamp, hmac_sha256};
use crate::config::{Webhook, WebhookClients, refuse_other_readers};
use crate::store::{ClientFilter, EventType};

/// Maximum size of a file of secrets, in bytes.
const MOST_BYTES: u64 = 4_096;
/// Maximum number of secrets in a file.
const MOST_SECRETS: usize = 8;
/// The length of a secret, in bytes, by the Standard Webhooks specification.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// The beginning of a secret in a file.
const PREFIX: &str = "whsec_";

/// Returns what is wrong with `webhooks`, as option and reason.
pub(super) fn faults(webhooks: &[Webhook]) -> Vec<(String, String)> {
    let mut faults = Vec::new();
    for (at, webhook) in webhooks.iter().enumerate() {
        if let Err(reason) = WebhookSecrets::read(&webhook.secret_file) {
            faults.push((format!("webhooks[{at}].secretFile"), reason));
        }
        if let Err(reason) = client_filter(&webhook.clients) {
            faults.push((format!("webhooks[{at}].clients"), reason));
        }
        if let Some(reason) = unknown_event(&webhook.events) {
            faults.push((format!("webhooks[{at}].events"), reason));
        }
    }
    faults
}

fn unknown_event(names: &[String]) -> Option<String> {
    let is_known = |name: &&String| EventType::ALL.into_iter().any(|kind| kind.is_named(name));
    let unknown = names.iter().find(|name| !is_known(name))?;
    let known = EventType::ALL.map(EventType::as_str).join(", ");
    Some(format!(
        "'{unknown}' is not a type of event; use client.* or {known}"
    ))
}

/// Returns the filter for the clients that a webhook selects.
///
/// # Errors
/// Which condition is invalid, and what is allowed.
pub(crate) fn client_filter(clients: &WebhookClients) -> Result<ClientFilter, String> {
    // Its times are seconds since 1970, which do not depend on the present.
    let now = Timestamp::default();
    let filter = ClientFilter::read(now, |name| clients.parameter(name));
    // Numbers are checked by their type, so only the trust level can be wrong.
    filter.map_err(|fault| format!("trustLevel must be {}", fault.due))
}

/// Reads a file that only its owner can read, of at most `most` bytes.
///
/// # Errors
/// Why the file cannot be used. The error does not repeat its content.
pub(super) fn read_private(file: &Path, most: u64) -> Result<Zeroizing<String>, String> {
    let found = std::fs::metadata(file).map_err(|error| error.to_string())?;
    if !found.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    refuse_other_readers(file)?;
    let mut text = Zeroizing::new(String::new());
    let file = File::open(file).map_err(|error| error.to_string())?;
    file.take(most.saturating_add(1))
        .read_to_string(&mut text)
        .map_err(|error| error.to_string())?;
    if text.len() as u64 > most {
        return Err(format!("it is larger than {most} bytes"));
    }
    Ok(text)
}

/// The secrets that sign the events of a webhook.
pub(crate) struct WebhookSecrets(Vec<Secret>);

impl WebhookSecrets {
    /// Reads the secrets in `file`.
    ///
    /// # Errors
    /// Why the file cannot be used. The error does not repeat its content.
    pub(crate) fn read(file: &Path) -> Result<Self, String> {
        Self::read_unnamed(file).map_err(|reason| format!("{}: {reason}", file.display()))
    }

    fn read_unnamed(file: &Path) -> Result<Self, String> {
        Self::parse(&read_private(file, MOST_BYTES)?)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut secrets = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            let secret = line.strip_prefix(PREFIX).filter(|text| is_secret(text));
            let Some(secret) = secret else {
                let number = at + 1;
                return Err(format!("line {number} is not a secret; {}", form()));
            };
            secrets.push(Secret::new(secret.to_owned()));
        }
        match secrets.len() {
            0 => Err(format!("it contains no secret; {}", form())),
            1..=MOST_SECRETS => Ok(Self(secrets)),
            _ => Err(format!("it contains more than {MOST_SECRETS} secrets")),
        }
    }

    /// Returns the value of `webhook-signature`: one signature for each secret.
    ///
    /// # Errors
    /// When the cryptography library fails.
    pub(crate) fn sign(&self, id: &str, timestamp: u64, body: &str) -> Result<String, String> {
        let signed = format!("{id}.{timestamp}.{body}");
        let mut signatures = Vec::new();
        for secret in &self.0 {
            let key = Zeroizing::new(STANDARD.decode(secret.expose()).unwrap_or_default());
            let hash = hmac_sha256(&key, signed.as_bytes());
            let hash = hash.map_err(|error| format!("cannot sign the event: {error}"))?;
            signatures.push(format!("v1,{}", STANDARD.encode(hash)));
        }
        Ok(signatures.join(" "))
    }
}

fn is_secret(text: &str) -> bool {
    let decoded = STANDARD.decode(text).map(Zeroizing::new);
    decoded.is_ok_and(|bytes| SECRET_BYTES.contains(&bytes.len()))
}

/// Returns how a secret is created.
fn form() -> String {
    let (least, most) = SECRET_BYTES.into_inner();
    format!(
        "write {PREFIX} and the base64 of {least} to {most} random bytes on each line: \
         echo \"{PREFIX}$(openssl rand -base64 32)\""
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn refused(text: &str, part: &str) {
        let reason = WebhookSecrets::parse(text).err().expect("it is rejected");
        assert!(reason.contains(part), "{reason}");
        assert!(text.len() < 9 || !reason.contains(text.trim()), "{reason}");
    }

    #[test]
    fn an_event_is_signed_as_the_specification_shows() {
        let secrets = WebhookSecrets::parse(&format!("\n {SECRET} \r\n")).unwrap();
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let signature = secrets.sign(id, 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(
            signature.unwrap(),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn each_secret_signs_while_one_rotates() {
        let other = format!("whsec_{}", STANDARD.encode([7; 24]));
        let secrets = WebhookSecrets::parse(&format!("{SECRET}\n{other}\n")).unwrap();
        let both = secrets.sign("a", 1, "{}").unwrap();
        let alone = |text: &str| {
            WebhookSecrets::parse(text)
                .unwrap()
                .sign("a", 1, "{}")
                .unwrap()
        };
        assert_eq!(both, format!("{} {}", alone(SECRET), alone(&other)));
    }

    #[test]
    fn a_file_without_valid_secrets_is_rejected() {
        refused("\n\n", "it contains no secret");
        refused(&SECRET.replace("whsec_", ""), "line 1 is not a secret");
        refused(&format!("{SECRET}\nwhsec_!!!!!!!!"), "line 2");
        let long = format!("whsec_{}", STANDARD.encode([7; 65]));
        for text in ["whsec_c2hvcnQ=", &long] {
            refused(text, "24 to 64 random bytes");
        }
        refused(&[SECRET; 9].join("\n"), "more than 8 secrets");
        let folder = tempfile::TempDir::new().unwrap();
        let refused_file = |name: &str, part: &str| {
            let file = folder.path().join(name);
            let reason = WebhookSecrets::read(&file).err().unwrap();
            assert!(reason.contains(part), "{reason}");
        };
        refused_file("missing", "missing: No such file");
        refused_file("", "not a regular file");
        let write = |name: &str, text: &str, mode: u32| {
            use std::os::unix::fs::PermissionsExt as _;
            let file = folder.path().join(name);
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        write("large", &"\n".repeat(5_000), 0o600);
        refused_file("large", "larger than 4096 bytes");
        write("shown", SECRET, 0o644);
        refused_file("shown", "chmod 600");
    }
}
