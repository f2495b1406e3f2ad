//! Algorithms: one table that both the rules and the metadata documents are made from.

use crate::client::{
    rules::Metadata, rules::Registration, rules::Rules, rules::Violation, rules::is_faulted,
    rules::sound_text, rules::unsupported, rules::violation,
};
use crate::jose;

/// What an algorithm is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AlgorithmPurpose {
    /// It signs.
    Signature,
    /// It protects the key of an encryption: the `alg` of a JWE.
    KeyManagement,
    /// It encrypts content: the `enc` of a JWE.
    Content,
}

/// Whose key pair an algorithm uses, if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyOf {
    /// The server's key pair.
    Server,
    /// The client's key pair, whose public half is in `jwks` or at `jwks_uri`.
    Client,
}

/// A metadata member that names an algorithm.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AlgorithmMember {
    /// The member.
    pub(crate) member: &'static str,
    /// The list that a client may send to let the server choose (RP Metadata Choices). The list has
    /// the same name in the metadata documents.
    pub(crate) choices: &'static str,
    /// The values that are supported.
    pub(crate) supported: fn(&Registration) -> &[String],
    /// The purpose of the algorithm.
    pub(crate) purpose: AlgorithmPurpose,
    /// The owner of the key pair.
    pub(crate) key_of: KeyOf,
}

impl AlgorithmMember {
    /// Whether the server supports `value`. A list with `EdDSA` also means its newer names, `Ed25519` and `Ed448`
    /// (RFC 9864).
    pub(super) fn is_supported(&self, settings: &Registration, value: &str) -> bool {
        jose::allows((self.supported)(settings), value)
    }
}

/// The server signs.
const fn signature(
    member: &'static str,
    choices: &'static str,
    supported: fn(&Registration) -> &[String],
) -> AlgorithmMember {
    AlgorithmMember {
        member,
        choices,
        supported,
        purpose: AlgorithmPurpose::Signature,
        key_of: KeyOf::Server,
    }
}

/// The client signs.
const fn signed_by_client(
    member: &'static str,
    choices: &'static str,
    supported: fn(&Registration) -> &[String],
) -> AlgorithmMember {
    AlgorithmMember {
        member,
        choices,
        supported,
        purpose: AlgorithmPurpose::Signature,
        key_of: KeyOf::Client,
    }
}

/// The server encrypts to the client.
const fn key(
    member: &'static str,
    choices: &'static str,
    supported: fn(&Registration) -> &[String],
) -> AlgorithmMember {
    AlgorithmMember {
        member,
        choices,
        supported,
        purpose: AlgorithmPurpose::KeyManagement,
        key_of: KeyOf::Client,
    }
}

/// The client encrypts to the server.
const fn key_of_server(
    member: &'static str,
    choices: &'static str,
    supported: fn(&Registration) -> &[String],
) -> AlgorithmMember {
    AlgorithmMember {
        member,
        choices,
        supported,
        purpose: AlgorithmPurpose::KeyManagement,
        key_of: KeyOf::Server,
    }
}

const fn content(
    member: &'static str,
    choices: &'static str,
    supported: fn(&Registration) -> &[String],
) -> AlgorithmMember {
    AlgorithmMember {
        member,
        choices,
        supported,
        purpose: AlgorithmPurpose::Content,
        key_of: KeyOf::Server,
    }
}

/// Every member that names an algorithm. Each `Content` entry follows its `KeyManagement` entry.
pub(crate) const ALGORITHMS: &[AlgorithmMember] = &[
    signature(
        "id_token_signed_response_alg",
        "id_token_signing_alg_values_supported",
        |settings| &settings.id_token_signing_alg_values_supported,
    ),
    key(
        "id_token_encrypted_response_alg",
        "id_token_encryption_alg_values_supported",
        |settings| &settings.id_token_encryption_alg_values_supported,
    ),
    content(
        "id_token_encrypted_response_enc",
        "id_token_encryption_enc_values_supported",
        |settings| &settings.id_token_encryption_enc_values_supported,
    ),
    signature(
        "userinfo_signed_response_alg",
        "userinfo_signing_alg_values_supported",
        |settings| &settings.userinfo_signing_alg_values_supported,
    ),
    key(
        "userinfo_encrypted_response_alg",
        "userinfo_encryption_alg_values_supported",
        |settings| &settings.userinfo_encryption_alg_values_supported,
    ),
    content(
        "userinfo_encrypted_response_enc",
        "userinfo_encryption_enc_values_supported",
        |settings| &settings.userinfo_encryption_enc_values_supported,
    ),
    signed_by_client(
        "request_object_signing_alg",
        "request_object_signing_alg_values_supported",
        |settings| &settings.request_object_signing_alg_values_supported,
    ),
    key_of_server(
        "request_object_encryption_alg",
        "request_object_encryption_alg_values_supported",
        |settings| &settings.request_object_encryption_alg_values_supported,
    ),
    content(
        "request_object_encryption_enc",
        "request_object_encryption_enc_values_supported",
        |settings| &settings.request_object_encryption_enc_values_supported,
    ),
    signed_by_client(
        "token_endpoint_auth_signing_alg",
        "token_endpoint_auth_signing_alg_values_supported",
        |settings| &settings.token_endpoint_auth_signing_alg_values_supported,
    ),
    signature(
        "authorization_signed_response_alg",
        "authorization_signing_alg_values_supported",
        |settings| &settings.authorization_signing_alg_values_supported,
    ),
    key(
        "authorization_encrypted_response_alg",
        "authorization_encryption_alg_values_supported",
        |settings| &settings.authorization_encryption_alg_values_supported,
    ),
    content(
        "authorization_encrypted_response_enc",
        "authorization_encryption_enc_values_supported",
        |settings| &settings.authorization_encryption_enc_values_supported,
    ),
    signature(
        "introspection_signed_response_alg",
        "introspection_signing_alg_values_supported",
        |settings| &settings.introspection_signing_alg_values_supported,
    ),
    key(
        "introspection_encrypted_response_alg",
        "introspection_encryption_alg_values_supported",
        |settings| &settings.introspection_encryption_alg_values_supported,
    ),
    content(
        "introspection_encrypted_response_enc",
        "introspection_encryption_enc_values_supported",
        |settings| &settings.introspection_encryption_enc_values_supported,
    ),
    signature(
        "access_token_signing_alg",
        "access_token_signing_alg_values_supported",
        |settings| &settings.access_token_signing_alg_values_supported,
    ),
    signed_by_client(
        "backchannel_authentication_request_signing_alg",
        "backchannel_authentication_request_signing_alg_values_supported",
        |settings| &settings.backchannel_authentication_request_signing_alg_values_supported,
    ),
    signature(
        "nfv_token_signed_response_alg",
        "nfv_token_signing_alg_values_supported",
        |settings| &settings.id_token_signing_alg_values_supported,
    ),
    key(
        "nfv_token_encrypted_response_alg",
        "nfv_token_encryption_alg_values_supported",
        |settings| &settings.id_token_encryption_alg_values_supported,
    ),
    content(
        "nfv_token_encrypted_response_enc",
        "nfv_token_encryption_enc_values_supported",
        |settings| &settings.id_token_encryption_enc_values_supported,
    ),
];

/// Whether `alg` uses a shared secret as its key.
pub(super) fn is_symmetric(alg: &str) -> bool {
    alg.starts_with("HS")
        || alg == "dir"
        || alg.starts_with("PBES2-")
        || (alg.starts_with('A') && alg.ends_with("KW"))
}

/// Returns each pair of members of an encryption: the one for its key, then the one for its
/// content.
pub(super) fn encryptions()
-> impl Iterator<Item = (&'static AlgorithmMember, &'static AlgorithmMember)> {
    let pairs = ALGORITHMS.iter().zip(ALGORITHMS.iter().skip(1));
    pairs.filter(|(_, content)| content.purpose == AlgorithmPurpose::Content)
}

/// Checks that every algorithm is supported, and that an encryption names both of its algorithms.
pub(super) fn check(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    for algorithm in ALGORITHMS {
        if let Some(value) = sound_text(metadata, algorithm.member, found)
            && !algorithm.is_supported(cx.settings, value)
        {
            let supported = (algorithm.supported)(cx.settings);
            found.push(unsupported(algorithm.member, value, supported));
        }
    }
    for (key, content) in encryptions() {
        if metadata.has(content.member) && !metadata.has(key.member) {
            let rule = format!(
                "also needs {}, which names the algorithm that protects its key",
                key.member
            );
            found.push(violation(content.member, rule));
        }
    }
    check_unsigned(metadata, found);
}

/// Rejects `none` where it is not allowed, even if the operator supports it.
fn check_unsigned(metadata: &Metadata, found: &mut Vec<Violation>) {
    let is_none = |member: &str| metadata.text(member) == Some("none");
    // OpenID Connect Dynamic Client Registration section 2.
    let from_authorization_endpoint = metadata
        .texts("response_types")
        .any(|one| one.split(' ').any(|word| word == "id_token"));
    if is_none("id_token_signed_response_alg") && from_authorization_endpoint {
        let rule = "cannot be none, because a response type returns the ID token from the authorization endpoint";
        found.push(violation("id_token_signed_response_alg", rule));
    }
    // JARM section 3; CIBA section 4.
    for member in [
        "authorization_signed_response_alg",
        "backchannel_authentication_request_signing_alg",
    ] {
        if is_none(member) && !is_faulted(found, member) {
            found.push(violation(
                member,
                "cannot be none; name a signature algorithm",
            ));
        }
    }
}
