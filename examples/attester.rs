//! A device that registers a client: it creates evidence of its own state for a nonce.
//!
//! `attester keys FOLDER` creates the key of the device, the key of its client, and `endorsement.json`,
//! which the manufacturer of the device gives to verifiers. `attester evidence FOLDER NONCE` prints
//! evidence, an Entity Attestation Token (RFC 9711). With `--debug` it states that the debug port is open.
//! `attestation.md` shows how to use it.

#![expect(clippy::print_stdout, reason = "a command prints its result")]

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use registrar::clock::{Clock as _, SystemClock};
use registrar::testing::{Algorithm, Key};
use serde_json::{Map, Value, json};

/// The type of the device, in `eat_profile`.
const PROFILE: &str = "tag:registrar.example,2026:device";

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["keys", folder] => {
            make_keys(Path::new(folder), &measurement()?)?;
            println!("wrote the keys and the endorsement of a device to {folder}");
        }
        ["evidence", folder, nonce] => {
            println!(
                "{}",
                evidence(Path::new(folder), nonce, &measurement()?, false)?
            );
        }
        ["evidence", folder, nonce, "--debug"] => {
            println!(
                "{}",
                evidence(Path::new(folder), nonce, &measurement()?, true)?
            );
        }
        _ => {
            return Err(
                "usage: attester keys FOLDER | attester evidence FOLDER NONCE [--debug]".into(),
            );
        }
    }
    Ok(())
}

/// Returns the measurement of the software on the device: the SHA-256 digest of this program.
fn measurement() -> Outcome<String> {
    let digest = openssl::sha::sha256(&std::fs::read(std::env::current_exe()?)?);
    Ok(URL_SAFE_NO_PAD.encode(digest))
}

/// Creates the keys of a device and of its client, unless they exist.
pub(crate) fn make_keys(folder: &Path, measurement: &str) -> Outcome<()> {
    std::fs::create_dir_all(folder)?;
    let device = key(&folder.join("device.pem"))?;
    let client = key(&folder.join("client.pem"))?;
    let endorsement = json!({"keys": [device.public_jwk()], "measurements": [measurement]});
    std::fs::write(folder.join("endorsement.json"), endorsement.to_string())?;
    std::fs::write(
        folder.join("jwks.json"),
        json!({"keys": [client.public_jwk()]}).to_string(),
    )?;
    Ok(())
}

/// Reads the key in a file, or creates the file with a new key.
fn key(file: &PathBuf) -> Outcome<Key> {
    if file.exists() {
        let pem = std::fs::read_to_string(file)?;
        return Ok(Key::from_pem(&pem, Algorithm::Es256)?);
    }
    let key = Key::generate(Algorithm::Es256)?;
    let pem = key.to_pem().ok_or("the key cannot be written")?;
    let mut options = std::fs::File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    std::io::Write::write_all(&mut options.open(file)?, pem.as_bytes())?;
    Ok(key)
}

/// Creates evidence: the device states its software, its state, and the key of its client.
pub(crate) fn evidence(
    folder: &Path,
    nonce: &str,
    measurement: &str,
    is_open: bool,
) -> Outcome<String> {
    let (device, client) = (
        key(&folder.join("device.pem"))?,
        key(&folder.join("client.pem"))?,
    );
    let identity = device.public_jwk().unwrap_or_default();
    let claims = json!({
        "eat_profile": PROFILE,
        "eat_nonce": nonce,
        "iat": SystemClock.now().unix(),
        "ueid": identity.get("kid"),
        "dbgstat": if is_open { "enabled" } else { "disabled-since-boot" },
        "measurement": measurement,
        "akpub": subject_public_key_info(&client)?,
    });
    let header = Map::from_iter([("typ".to_owned(), Value::from("eat+jwt"))]);
    Ok(device.sign(&header, claims.as_object().unwrap_or(&Map::new()))?)
}

/// Returns the public half of `key` in the form that verifiers use: DER in base64url.
fn subject_public_key_info(key: &Key) -> Outcome<String> {
    let pem = key.to_pem().ok_or("the key cannot be written")?;
    let key = openssl::pkey::PKey::private_key_from_pem(pem.as_bytes())?;
    Ok(URL_SAFE_NO_PAD.encode(key.public_key_to_der()?))
}
