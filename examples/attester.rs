//! A device that registers a client: it makes evidence of itself for a nonce.
//!
//! `attester keys FOLDER` makes the key of the device, the key of its client, and `endorsement.json`:
//! what the maker of the device tells a verifier. `attester evidence FOLDER NONCE` writes evidence, an
//! Entity Attestation Token (RFC 9711); with `--debug` it says that the debug port is open.
//! `attestation.md` shows how it is used.

#![expect(clippy::print_stdout, reason = "a command says what it made")]

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use registrar::clock::{Clock as _, SystemClock};
use registrar::jose::{Algorithm, SigningKey, SigningKeyError, sign};
use registrar::secret::{Secret, sha256_hex};
use serde_json::{Map, Value, json};

/// Who the device says that it is, as `eat_profile`.
const PROFILE: &str = "tag:registrar.example,2026:device";

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["keys", folder] => {
            make_keys(Path::new(folder), &measurement()?)?;
            println!("{folder} has the keys of a device, and what its maker says of it");
        }
        ["evidence", folder, nonce] => {
            println!("{}", evidence(Path::new(folder), nonce, &measurement()?, false)?);
        }
        ["evidence", folder, nonce, "--debug"] => {
            println!("{}", evidence(Path::new(folder), nonce, &measurement()?, true)?);
        }
        _ => return Err("attester keys FOLDER | attester evidence FOLDER NONCE [--debug]".into()),
    }
    Ok(())
}

/// What runs on the device: the SHA-256 of this program.
fn measurement() -> Outcome<String> {
    Ok(sha256_hex(&std::fs::read(std::env::current_exe()?)?))
}

/// Makes the keys of a device and of its client, unless they are there.
pub(crate) fn make_keys(folder: &Path, measurement: &str) -> Outcome<()> {
    std::fs::create_dir_all(folder)?;
    let device = key(&folder.join("device.pem"))?;
    let client = key(&folder.join("client.pem"))?;
    let endorsement = json!({"keys": [device.public_jwk()], "measurements": [measurement]});
    std::fs::write(folder.join("endorsement.json"), endorsement.to_string())?;
    std::fs::write(folder.join("jwks.json"), json!({"keys": [client.public_jwk()]}).to_string())?;
    Ok(())
}

/// The key in a file, which is made when it is not there.
fn key(file: &PathBuf) -> Outcome<SigningKey> {
    if file.exists() {
        return Ok(SigningKey::from_pem(&Secret::new(std::fs::read_to_string(file)?), Algorithm::Es256)?);
    }
    let key = SigningKey::generate(Algorithm::Es256)?;
    let pem = key.to_pem().ok_or(SigningKeyError::Failed)?;
    let mut options = std::fs::File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    std::io::Write::write_all(&mut options.open(file)?, pem.expose().as_bytes())?;
    Ok(key)
}

/// Evidence: the device says what runs on it, in which state it is, and which key its client has.
pub(crate) fn evidence(folder: &Path, nonce: &str, measurement: &str, is_open: bool) -> Outcome<String> {
    let (device, client) = (key(&folder.join("device.pem"))?, key(&folder.join("client.pem"))?);
    let identity = device.kid().unwrap_or_default();
    let claims = json!({
        "eat_profile": PROFILE,
        "eat_nonce": nonce,
        "iat": SystemClock.now().unix(),
        "ueid": identity,
        "dbgstat": if is_open { "enabled" } else { "disabled-since-boot" },
        "measurement": measurement,
        "akpub": subject_public_key_info(&client)?,
    });
    let header = Map::from_iter([("typ".to_owned(), Value::from("eat+jwt"))]);
    Ok(sign(&header, claims.as_object().unwrap_or(&Map::new()), &device)?)
}

/// The public half of `key` as verifiers show it: DER in base64url.
fn subject_public_key_info(key: &SigningKey) -> Outcome<String> {
    let pem = key.to_pem().ok_or(SigningKeyError::Failed)?;
    let key = openssl::pkey::PKey::private_key_from_pem(pem.expose().as_bytes())?;
    Ok(URL_SAFE_NO_PAD.encode(key.public_key_to_der()?))
}
