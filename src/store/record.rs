//! The format of a record: one byte for its version, then JSON. A record that expires has the moment
//! between the two: seconds since the epoch, 8 bytes, big-endian.
//!
//! A version that was written once stays readable for ever; a new one adds an arm to [`decode`].

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::base::Timestamp;
use crate::store::StoreError;

/// The version that is written.
const VERSION: u8 = 1;
/// The usual maximum length of a record, in bytes. A buffer of this capacity is not moved while it grows.
const ORDINARY: usize = 2_048;
/// Bytes of the moment when a record expires.
const MOMENT: usize = size_of::<u64>();

/// Encodes `value`, to be stored under `key`.
pub(super) fn encode<T: Serialize>(key: &[u8], value: &T) -> Result<Vec<u8>, StoreError> {
    write(key, begun(), value)
}

/// Decodes the value in `record`, which is stored under `key`.
pub(super) fn decode<T: DeserializeOwned>(key: &[u8], record: &[u8]) -> Result<T, StoreError> {
    read(key, body(key, record)?)
}

/// Encodes `value`, which expires at `expires_at`.
pub(super) fn encode_until<T: Serialize>(
    key: &[u8],
    value: &T,
    expires_at: Timestamp,
) -> Result<Vec<u8>, StoreError> {
    let mut record = begun();
    record.extend(expires_at.unix().to_be_bytes());
    write(key, record, value)
}

/// Decodes the value in `record` and the moment when it expires.
pub(super) fn decode_until<T: DeserializeOwned>(
    key: &[u8],
    record: &[u8],
) -> Result<(T, Timestamp), StoreError> {
    let (moment, json) = split(key, record)?;
    Ok((read(key, json)?, moment))
}

/// Reads `json`. It is checked as a whole for UTF-8, which takes less than checking each string.
fn read<T: DeserializeOwned>(key: &[u8], json: &[u8]) -> Result<T, StoreError> {
    let text =
        std::str::from_utf8(json).map_err(|error| StoreError::corrupt(key, &error.to_string()))?;
    serde_json::from_str(text).map_err(|error| StoreError::corrupt(key, &error.to_string()))
}

/// When `record` expires.
pub(super) fn expiry(key: &[u8], record: &[u8]) -> Result<Timestamp, StoreError> {
    split(key, record).map(|(moment, _)| moment)
}

fn split<'a>(key: &[u8], record: &'a [u8]) -> Result<(Timestamp, &'a [u8]), StoreError> {
    let (moment, json) = body(key, record)?
        .split_first_chunk::<MOMENT>()
        .ok_or_else(|| StoreError::corrupt(key, "it is truncated"))?;
    Ok((Timestamp::from_unix(u64::from_be_bytes(*moment)), json))
}

/// Returns a record with its version only.
fn begun() -> Vec<u8> {
    let mut record = Vec::with_capacity(ORDINARY);
    record.push(VERSION);
    record
}

fn write<T: Serialize>(key: &[u8], mut record: Vec<u8>, value: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_writer(&mut record, value)
        .map_err(|error| StoreError::corrupt(key, &error.to_string()))?;
    record.shrink_to_fit();
    Ok(record)
}

fn body<'a>(key: &[u8], record: &'a [u8]) -> Result<&'a [u8], StoreError> {
    match record.split_first() {
        Some((&VERSION, body)) => Ok(body),
        Some((version, _)) => {
            let reason = format!("it has version {version}, which a newer registrar wrote");
            Err(StoreError::corrupt(key, &reason))
        }
        None => Err(StoreError::corrupt(key, "it is empty")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::TokenDigest;
    use crate::client::Client;

    /// A record as the first release wrote it. It must stay readable for ever: do not change it.
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
        let client: Client = decode(b"c/x", VERSION_1.as_bytes()).unwrap();
        assert_eq!(client.revision, 3);
        assert_eq!(client.expires_at.unwrap().unix(), 1_767_229_200);
        assert!(client.tokens.current.is(&TokenDigest::of("")));
        assert_eq!(
            client
                .metadata
                .metadata()
                .text("token_endpoint_auth_method"),
            Some("none")
        );
        assert_eq!(encode(b"c/x", &client).unwrap(), VERSION_1.as_bytes());
    }

    #[test]
    fn an_expiring_record_has_its_time() {
        let record = b"\x01\0\0\0\0\0\0\x01\0[1,2]";
        assert_eq!(
            encode_until(b"x", &[1, 2], Timestamp::from_unix(256)).unwrap(),
            record
        );
        assert_eq!(
            decode_until(b"x", record).unwrap(),
            ([1, 2], Timestamp::from_unix(256))
        );
        assert_eq!(expiry(b"x", record).unwrap().unix(), 256);
        let cut = expiry(b"x\xff", &record[..8]).unwrap_err().to_string();
        assert!(cut.contains("truncated") && cut.is_ascii(), "{cut}");
    }

    #[test]
    fn an_unreadable_record_is_named() {
        for (record, part) in [
            (&b""[..], "empty"),
            (b"\x09{}", "version 9"),
            (b"\x01{", "EOF"),
        ] {
            let error = decode::<Client>(b"c/x", record).unwrap_err().to_string();
            assert!(error.contains("c/x") && error.contains(part), "{error}");
        }
    }
}
