//! The host functions that reach beyond the script: other systems, the store, keys, secrets.

use super::{HostFunction, function};

/// Every function of every module that reaches beyond the script.
pub(super) static FUNCTIONS: &[HostFunction] = &[
    function(
        "attestation",
        "new_nonce() -> string",
        "A nonce for evidence: 43 characters, good once and for `evidenceNonceLifetime` seconds. Counts for \
         `storeCalls`. Fails when too many are open.",
        "attestation::new_nonce().len() == 43",
    ),
    function(
        "attestation",
        "consume_nonce(nonce: string) -> bool",
        "Whether the nonce was made here, is not too old, and was not consumed before; it is now. Counts for \
         `storeCalls`.",
        "attestation::consume_nonce(attestation::new_nonce()) && !attestation::consume_nonce(\"another\")",
    ),
    function(
        "attestation",
        "verify_ear(token: string, jwks: map or string, expected: map) -> map",
        "What an attestation result in the form EAR says, verified with one of the keys and judged by `#{ nonce, \
         timestampOnly, maxAge, algorithms, status, requiredSubmods, claims, verifiers, policies, boundTo }`. Either \
         `nonce`, in any spelling of base64, or `timestampOnly: true` must be there; `maxAge` is 300 seconds and \
         `status` is `\"affirming\"` unless you say `\"warning\"`; `claims` are floors of the same kind for single \
         claims; `boundTo` is the JWK Set that the attested key must be in. Returns `#{ status, profile, issued_at, \
         verifier, policies, keys, submods }`. Fails with `#{ check, message }`, where `check` is `token`, \
         `algorithm`, `signature`, `claims`, `form`, `nonce`, `submodules`, `status`, `trust`, `verifier`, `policy`, \
         `key` or `expectations`.",
        "let check = \"\"; let keys = #{ keys: [#{ kty: \"EC\" }] }; \
         try { attestation::verify_ear(\"a.b\", keys, #{ nonce: \"AAAA\" }); } \
         catch (error) { check = error.check; } check == \"token\"",
    ),
    function(
        "attestation",
        "key_is_in(key: map or string, jwks: map or string) -> bool",
        "Whether the public key is one of the set, by the members that make up its thumbprint (RFC 7638): a JWK, or \
         a SubjectPublicKeyInfo in base64 such as `akpub`. Fails for what is no public key of the type EC, OKP or RSA, and for what is no JWK Set.",
        "attestation::key_is_in(context.client.jwks.keys[0], context.client.jwks)",
    ),
    function(
        "clients",
        "count(members: map) -> int",
        "How many clients have this member: `software_id` or `org_id`, one of them. Counts for `storeCalls`. Fails for a \
         member that is not indexed, and names those that are.",
        "clients::count(#{ software_id: \"known\" }) == 1",
    ),
    function(
        "clients",
        "exists(members: map) -> bool",
        "Whether there is such a client. The same bounds.",
        "!clients::exists(#{ software_id: \"unknown\" })",
    ),
    function(
        "http",
        "get(url: string) -> map",
        "Asks, and returns `#{ status, headers, body, json }`: header names in lower case; `json` is `()` when \
         the body is none. Whatever the status, it is an answer. At most `httpCalls` calls, 5 seconds each and \
         `httpMs` together, bodies of `stringBytes`. Fails when there is no answer in time, the body is larger \
         or not UTF-8, and for an address that `[fetch]` does not allow.",
        "http::get(\"https://api.example.org/status\").json.ok",
    ),
    function(
        "http",
        "get(url: string, headers: map) -> map",
        "The same with headers: 32, of 8192 bytes together, in visible ASCII.",
        "http::get(\"https://api.example.org/status\", #{ Accept: \"application/json\" }).status == 200",
    ),
    function(
        "http",
        "post(url: string, body: any, headers: map) -> map",
        "Sends a body: a text or bytes as they are; a map or an array as JSON, with its content type when the headers \
         have none. The same bounds.",
        "http::post(\"https://api.example.org/check\", #{ name: \"K\" }, #{}).status == 204",
    ),
    function(
        "http",
        "request(request: map) -> map",
        "The same from `#{ method, url, headers, body, timeoutMs, afterMs }`, of which only `url` must be there; the \
         method is GET, POST, PUT, PATCH, DELETE or HEAD; `afterMs` is how long it waits before it asks, which counts \
         for `httpMs` and holds up no other script. Fails for any other member.",
        "http::request(#{ url: \"https://api.example.org/status\", timeoutMs: 500 }).body == `{\"ok\":true}`",
    ),
    function(
        "jwt",
        "decode(token: string) -> map",
        "`#{ header, claims }` of a JWT in compact form, not verified: it proves nothing. Fails for what is none, \
         or has more than 65536 bytes.",
        "jwt::decode(\"eyJhbGciOiJub25lIn0.eyJpc3MiOiJhIn0.\").claims.iss == \"a\"",
    ),
    function(
        "jwt",
        "verify(token: string, jwks: map or string, expected: map) -> map",
        "The same, verified with one of the keys. `expected` is `#{ algorithms, issuer, audience, maxAge }`, each \
         may be left out: the algorithms are then those with a key pair; `maxAge` is in seconds since `iat`; a token \
         with an `aud` needs an `audience` that is in it. Fails when it does not verify, is expired, or is not what is expected.",
        "let keys = #{ keys: [#{ kty: \"oct\", k: base64::encode_url(secrets::get(\"key\")) }] }; \
         let token = jwt::sign(#{ iss: \"a\" }, \"key\"); \
         jwt::verify(token, keys, #{ algorithms: [\"HS256\"], issuer: \"a\" }).claims.iss == \"a\"",
    ),
    function(
        "jwt",
        "sign(claims: map, secret: string) -> string",
        "A JWT of these claims, 16384 bytes or less, signed with the secret of that name: a private key as JWK or \
         PEM, or the text of an HMAC key. Fails when the secret is none that can sign.",
        "jwt::decode(jwt::sign(#{ iss: \"a\" }, \"key\")).claims == #{ iss: \"a\" }",
    ),
    function(
        "kv",
        "get(key: string) -> any",
        "What this script keeps under the key, or `()` when there is nothing or its time is over. It survives a \
         restart; it belongs to the file name of the script. Keys have 256 bytes or less. Counts for `storeCalls`.",
        "kv::get(\"nothing\") == ()",
    ),
    function(
        "kv",
        "set(key: string, value: any, seconds: int)",
        "Keeps a value, 16384 bytes of JSON or less, for so many seconds, a year at most. The same bounds. When \
         the script keeps as much as it may, what it set and what ends first gives way; what it counts with \
         kv::increment never does.",
        "kv::set(\"seen\", #{ at: 1 }, 60); kv::get(\"seen\").at == 1",
    ),
    function(
        "kv",
        "delete(key: string) -> bool",
        "Forgets what is under the key; whether there was something. The same bounds.",
        "!kv::delete(\"nothing\")",
    ),
    function(
        "kv",
        "increment(key: string, by: int, seconds: int) -> int",
        "Adds to a number, and returns the sum: no two requests get the same one. What was not there is 0 and \
         lives for so many seconds; what was there keeps its time. The same bounds. Fails when it is no whole number, \
         and when the script counts as much as it may.",
        "kv::increment(\"counter\", 1, 3600) == 1 && kv::increment(\"counter\", 2, 3600) == 3",
    ),
    function(
        "secrets",
        "get(name: string) -> string",
        "The secret that `[scripts.secrets]` of the configuration names. No line of the log shows it. Fails when \
         there is none of that name.",
        "secrets::get(\"key\").len() >= 8",
    ),
    function(
        "x509",
        "parse(pem: string) -> map",
        "What a certificate says: the members of `context.certificate`. It proves nothing. Fails for what is no \
         certificate, or has more than 16384 bytes.",
        "x509::parse(context.certificate.pem).subject == context.certificate.subject",
    ),
];
