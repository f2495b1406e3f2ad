//! What is said of everything that scripts are given: for the manual and for editors.
//!
//! A test compares this with what is registered, and runs every example; another one compares it
//! with `scripts/README.md`.

use std::fmt::Write;

use super::hook::Hook;

/// A function of a host module.
#[derive(Debug, Clone, Copy)]
pub struct HostFunction {
    /// The module, as in `crypto`.
    pub module: &'static str,
    /// Its name, parameters and result, as in `sha256(text: string) -> string`.
    pub signature: &'static str,
    /// What it does, its bounds, and when it fails.
    pub about: &'static str,
    /// An expression that is true.
    pub example: &'static str,
}

impl HostFunction {
    /// The name alone.
    pub fn name(&self) -> &'static str {
        self.signature.split('(').next().unwrap_or_default()
    }
}

/// A member of `context`.
#[derive(Debug, Clone, Copy)]
pub struct ContextMember {
    /// Its name, as in `client`, or a call, as in `createWebApplicationException(status, entity)`.
    pub name: &'static str,
    /// The seed's spelling.
    pub spelling: &'static str,
    /// What it is.
    pub about: &'static str,
}

const fn function(
    module: &'static str,
    signature: &'static str,
    about: &'static str,
    example: &'static str,
) -> HostFunction {
    HostFunction { module, signature, about, example }
}

const fn member(name: &'static str, spelling: &'static str, about: &'static str) -> ContextMember {
    ContextMember { name, spelling, about }
}

/// Every function of every host module.
pub static HOST_FUNCTIONS: &[HostFunction] = &[
    function(
        "attestation",
        "new_nonce() -> string",
        "32 random bytes in base64url: a nonce for evidence.",
        "attestation::new_nonce().len() == 43",
    ),
    function(
        "base64",
        "encode(text: string) -> string",
        "Base64 with padding (RFC 4648 section 4).",
        r#"base64::encode("hi?>") == "aGk/Pg==""#,
    ),
    function(
        "base64",
        "decode(text: string) -> string",
        "The text in base64, with or without padding. Fails when it is not base64, or what is in it is not UTF-8.",
        r#"base64::decode("aGk/Pg") == "hi?>""#,
    ),
    function(
        "base64",
        "encode_url(text: string) -> string",
        "Base64url without padding (RFC 4648 section 5).",
        r#"base64::encode_url("hi?>") == "aGk_Pg""#,
    ),
    function(
        "base64",
        "decode_url(text: string) -> string",
        "The text in base64url, with or without padding. Fails like `decode`.",
        r#"base64::decode_url("aGk_Pg") == "hi?>""#,
    ),
    function(
        "crypto",
        "sha256(text: string) -> string",
        "SHA-256 in hex.",
        r#"crypto::sha256("abc").starts_with("ba7816bf")"#,
    ),
    function(
        "crypto",
        "hmac_sha256(key: string, text: string) -> string",
        "HMAC-SHA-256 in hex.",
        r#"crypto::hmac_sha256("key", "abc").starts_with("9c196e32")"#,
    ),
    function(
        "crypto",
        "random_token(bytes: int) -> string",
        "So many random bytes in base64url. Fails unless it is 16 to 64.",
        "crypto::random_token(32).len() == 43",
    ),
    function(
        "crypto",
        "equals(one: string, other: string) -> bool",
        "Whether two texts are the same, in a time that does not tell where they differ: for secrets.",
        r#"crypto::equals("a", "a") && !crypto::equals("a", "b")"#,
    ),
    function(
        "json",
        "parse(text: string) -> any",
        "The value that JSON text stands for; null is `()`. Fails for what is not JSON, nested deeper than 32, or has a member twice.",
        r#"json::parse("[1, null]") == [1, ()]"#,
    ),
    function(
        "json",
        "stringify(value: any) -> string",
        "JSON text. Fails for what has no JSON form, such as a function.",
        r#"json::stringify([1, ()]) == "[1,null]""#,
    ),
    function(
        "log",
        "debug(text: string)",
        "A line in the server's log, with the correlation id of the request. At most 50 lines a call, 4096 bytes each.",
        r#"log::debug("looked at") == ()"#,
    ),
    function(
        "log",
        "info(text: string)",
        "The same, at the level that is on by default.",
        r#"log::info("seen") == ()"#,
    ),
    function("log", "warn(text: string)", "The same, as a warning.", r#"log::warn("odd") == ()"#),
    function("log", "error(text: string)", "The same, as an error.", r#"log::error("broken") == ()"#),
    function(
        "net",
        "in_cidr(address: string, cidr: string) -> bool",
        "Whether an IP address is in a network. Fails when one of them is not what it should be.",
        r#"net::in_cidr("10.1.2.3", "10.0.0.0/8")"#,
    ),
    function("time", "now() -> int", "Seconds since 1970-01-01T00:00:00Z.", "time::now() > 0"),
    function(
        "time",
        "parse(text: string) -> int",
        "Seconds since 1970 of a time by RFC 3339. Fails when it is none.",
        r#"time::parse("1970-01-01T01:00:00+01:00") == 0"#,
    ),
    function(
        "time",
        "format(seconds: int) -> string",
        "A time by RFC 3339 in UTC. Fails for a time that has no year of four digits.",
        r#"time::format(0) == "1970-01-01T00:00:00Z""#,
    ),
    function(
        "uri",
        "parse(text: string) -> map",
        "`scheme`, `host`, `port`, `path` and `query` of an absolute URI; what it does not have is `()`. Fails for what is none.",
        r#"uri::parse("https://a.example/b").host == "a.example""#,
    ),
];

/// Every member of `context`.
pub static CONTEXT_MEMBERS: &[ContextMember] = &[
    member(
        "client",
        "getClient()",
        "The client that will be stored, read and written by the names of its JSON members: \
         `context.client.contacts.push(\"a@example.org\")`, `context.client[\"client_name#fr\"] = \"Nom\"`. \
         An absent member is `()`; setting `()` takes one away. A name that no metadata has is a fault \
         that suggests the nearest one. Read-only where nothing is stored.",
    ),
    member(
        "registerRequest",
        "getRegisterRequest()",
        "The request, after its proofs were merged into it. Read-only.",
    ),
    member(
        "configurationAttributes",
        "getConfigurationAttibutes()",
        "`[scripts.attributes]` of the configuration, as a map.",
    ),
    member(
        "httpRequest",
        "getHttpRequest()",
        "`#{ method, path, headers, ipAddress }`; headers in lower case, without credentials.",
    ),
    member("trustLevel", "getTrustLevel()", "`open`, `token`, `statement`, `attested` or `mtls`."),
    member(
        "softwareStatement",
        "getSoftwareStatement()",
        "The verified software statement as `#{ header, claims }`, or `()`.",
    ),
    member("dcr", "getDcr()", "The verified signed request as `#{ header, claims }`, or `()`."),
    member("evidence", "getEvidence()", "The attestation evidence as a JWT, or `()`."),
    member("attestation", "getAttestation()", "What the evidence was found to say, or `()`."),
    member("certificate", "getCertificate()", "The client's certificate, or `()`."),
    member(
        "initialAccessToken",
        "getInitialAccessToken()",
        "The attributes of the initial access token, or `()`.",
    ),
    member(
        "createWebApplicationException(status, entity)",
        "createWebApplicationException(status, entity)",
        "Sets the answer: a status from 400 to 599, and a map or a JSON text. It is sent whatever the hook returns.",
    ),
    member(
        "createStaleEvidenceWebApplicationException(nonce)",
        "createStaleEvidenceWebApplicationException(nonce)",
        "Sets the answer 400 `stale_evidence` with this nonce.",
    ),
];

impl Hook {
    /// When it is called, and what becomes of what it returns.
    pub const fn about(self) -> &'static str {
        match self {
            Self::CreateClient => {
                "Before a client is stored. `true`: go on; `false`: 400 `invalid_client_metadata`."
            }
            Self::UpdateClient => "Before an update is stored. The same.",
            Self::DeleteClient => "Before a client is deleted. The same; `context.client` is read-only.",
            Self::ModifyPostResponse => {
                "The answer to a registration is ready. `true`: keep what was changed in `response`. \
                 Credentials and identifiers can not be changed."
            }
            Self::ModifyPutResponse => "The same for an update.",
            Self::ModifyReadResponse => "The same for a read.",
            Self::GetSoftwareStatementJwks => "Keys for a software statement. Not called yet.",
            Self::GetSoftwareStatementHmacSecret => "The HMAC key for a software statement. Not called yet.",
            Self::GetDcrJwks => "Keys for a signed request. Not called yet.",
            Self::GetDcrHmacSecret => "The HMAC key for a signed request. Not called yet.",
            Self::GetEvidenceNonce => "A nonce for evidence. Not called yet.",
            Self::VerifyEvidence => "Appraises evidence. Not called yet.",
            Self::IsCertValidForClient => "Whether a certificate is that of the client. Not called yet.",
            Self::ClientCreated => "After a client was stored. Not called yet.",
            Self::ClientUpdated => "After an update was stored. Not called yet.",
            Self::ClientDeleted => "After a client was deleted. Not called yet.",
        }
    }
}

/// The reference part of `scripts/README.md`.
pub fn reference() -> String {
    let mut text = String::new();
    // Writing to a text does not fail.
    let _ = write_reference(&mut text);
    text
}

fn write_reference(text: &mut String) -> std::fmt::Result {
    text.write_str("### Hooks\n\n| Hook | When, and what it returns |\n|---|---|\n")?;
    for hook in Hook::ALL {
        let parameters = hook.parameters().join(", ");
        writeln!(text, "| `{}({parameters})` | {} |", hook.name(), hook.about())?;
    }
    text.write_str("\n### `context`\n\n| Member | The seed's spelling | What it is |\n|---|---|---|\n")?;
    for member in CONTEXT_MEMBERS {
        writeln!(text, "| `{}` | `{}` | {} |", member.name, member.spelling, member.about)?;
    }
    text.write_str(
        "\n### Host functions\n\n| Function | What it does | Example: this is true |\n|---|---|---|\n",
    )?;
    for function in HOST_FUNCTIONS {
        let example = function.example.replace('|', "\\|");
        writeln!(
            text,
            "| `{}::{}` | {} | `{example}` |",
            function.module, function.signature, function.about
        )?;
    }
    Ok(())
}
