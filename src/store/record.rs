//! The form of a record: one byte for its version, then JSON.
//!
//! A version that was written once is read for ever; a new one adds an arm to [`decode`].

use super::StoreError;
use crate::client::Client;

/// The version that is written.
const VERSION: u8 = 1;

/// The record of `client`.
pub(super) fn encode(client: &Client) -> Result<Vec<u8>, StoreError> {
    let mut record = vec![VERSION];
    serde_json::to_writer(&mut record, client)
        .map_err(|error| corrupt(client.id.as_str(), &error.to_string()))?;
    Ok(record)
}

/// The client in `record`, which is stored under `key`.
pub(super) fn decode(key: &[u8], record: &[u8]) -> Result<Client, StoreError> {
    let key = || String::from_utf8_lossy(key).into_owned();
    match record.split_first() {
        Some((1, json)) => serde_json::from_slice(json).map_err(|error| corrupt(&key(), &error.to_string())),
        Some((version, _)) => {
            Err(corrupt(&key(), &format!("version {version} is of a newer registrar than this one")))
        }
        None => Err(corrupt(&key(), "it is empty")),
    }
}

fn corrupt(key: &str, reason: &str) -> StoreError {
    StoreError::Corrupt { key: key.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record as the first release wrote it. It must be readable for ever: do not change it.
    const VERSION_1: &str = concat!(
        "\u{1}",
        r#"{"id":"0b7c1c52-3c0e-4a5c-8d8b-2d2b2a6d9a11","#,
        r#""metadata":{"redirect_uris":["https://client.example.org/cb"],"token_endpoint_auth_method":"none"},"#,
        r#""issued_at":1767225600,"expires_at":1767229200,"#,
        r#""tokens":{"current":"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="},"revision":3,"#,
        r#""provenance":{"trust_level":"open","address":"192.0.2.1","#,
        r#""scripts":[{"name":"10-a.rhai","hash":"00"}],"configuration":"abc"}}"#,
    );

    #[test]
    fn a_record_of_the_first_version_is_read() {
        let client = decode(b"c/x", VERSION_1.as_bytes()).unwrap();
        assert_eq!(client.revision, 3);
        assert_eq!(client.expires_at.unwrap().unix(), 1_767_229_200);
        assert!(client.tokens.current.matches(""));
        assert_eq!(client.metadata.metadata().text("token_endpoint_auth_method"), Some("none"));
        assert_eq!(encode(&client).unwrap(), VERSION_1.as_bytes());
    }

    #[test]
    fn what_can_not_be_read_is_named() {
        for (record, part) in [(&b""[..], "empty"), (b"\x09{}", "version 9"), (b"\x01{", "EOF")] {
            let error = decode(b"c/x", record).unwrap_err().to_string();
            assert!(error.contains("c/x") && error.contains(part), "{error}");
        }
    }
}
