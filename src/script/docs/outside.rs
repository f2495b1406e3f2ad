//! The host functions that reach beyond the script: external systems, the store, keys, secrets.

use super::{HostFunction, function};

/// All functions of the modules that reach beyond the script.
pub(super) static FUNCTIONS: &[HostFunction] = &[
    function(
        "attestation",
        "new_nonce() -> string",
        "Issues a nonce for evidence: 43 characters, valid once and for `evidenceNonceLifetime` seconds. \
         Counts towards `storeCalls`. Fails when too many nonces are outstanding.",
        "attestation::new_nonce().len() == 43",
    ),
    function(
        "attestation",
        "consume_nonce(nonce: string) -> bool",
        "Consumes a nonce. Returns whether this server issued it, it is not expired, and it was not consumed \
         before. Counts towards `storeCalls`.",
        "attestation::consume_nonce(attestation::new_nonce()) && !attestation::consume_nonce(\"another\")",
    ),
    function(
        "attestation",
        "verify_ear(token: string, jwks: map or string, expected: map) -> map",
        "Verifies an EAR attestation result with one of the keys, and checks it against `#{ nonce, \
         timestampOnly, maxAge, algorithms, status, requiredSubmods, claims, verifiers, policies, boundTo \
         }`. Either `nonce`, in any variant of base64, or `timestampOnly: true` is required. The defaults \
         are 300 seconds for `maxAge` and `\"affirming\"` for `status`, which can also be `\"warning\"`. \
         `claims` sets the least acceptable status of single claims. `boundTo` is a JWK Set that must \
         contain the attested key. Returns `#{ status, profile, issued_at, verifier, policies, keys, submods \
         }`. Fails with `#{ check, message }`, where `check` is `token`, `algorithm`, `signature`, `claims`, \
         `form`, `nonce`, `submodules`, `status`, `trust`, `verifier`, `policy`, `key` or `expectations`.",
        "let check = \"\"; let keys = #{ keys: [#{ kty: \"EC\" }] }; try { attestation::verify_ear(\"a.b\", \
         keys, #{ nonce: \"AAAA\" }); } catch (error) { check = error.check; } check == \"token\"",
    ),
    function(
        "attestation",
        "key_is_in(key: map or string, jwks: map or string) -> bool",
        "Returns whether the public key is in the set, compared by the members of its thumbprint (RFC 7638). \
         The key is a JWK, or a SubjectPublicKeyInfo in base64 such as `akpub`. Fails when the key is not a \
         public key of type EC, OKP or RSA, or when `jwks` is not a JWK Set.",
        "attestation::key_is_in(context.client.jwks.keys[0], context.client.jwks)",
    ),
    function(
        "clients",
        "count(members: map) -> int",
        "Returns how many clients have this value of `software_id` or `org_id`; pass exactly one of the two. \
         Counts towards `storeCalls`. Fails for a member that is not indexed, and lists the indexed members.",
        "clients::count(#{ software_id: \"known\" }) == 1",
    ),
    function(
        "clients",
        "exists(members: map) -> bool",
        "Returns whether such a client exists. The same limits apply.",
        "!clients::exists(#{ software_id: \"unknown\" })",
    ),
    function(
        "http",
        "get(url: string) -> map",
        "Sends a GET request and returns `#{ status, headers, body, json }`, whatever the status. Header \
         names are in lower case; `json` is `()` when the body is not JSON. The limits are `httpCalls` \
         calls, 5 seconds for one call, `httpMs` for all calls together, and `stringBytes` for a body. Fails \
         when the response does not arrive in time, when its body is too large or not UTF-8, and when \
         `[fetch]` does not allow the address.",
        "http::get(\"https://api.example.org/status\").json.ok",
    ),
    function(
        "http",
        "get(url: string, headers: map) -> map",
        "The same with headers: at most 32, of 8192 bytes in total, in visible ASCII.",
        "http::get(\"https://api.example.org/status\", #{ Accept: \"application/json\" }).status == 200",
    ),
    function(
        "http",
        "post(url: string, body: any, headers: map) -> map",
        "Sends a POST request with a body. A string or bytes are sent unchanged. A map or an array is sent \
         as JSON, with that content type unless the headers name another. The same limits apply.",
        "http::post(\"https://api.example.org/check\", #{ name: \"K\" }, #{}).status == 204",
    ),
    function(
        "http",
        "request(request: map) -> map",
        "Sends a request described by `#{ method, url, headers, body, timeoutMs, afterMs }`; only `url` is \
         required. The method is GET, POST, PUT, PATCH, DELETE or HEAD. `afterMs` is a delay before the \
         request is sent; it counts towards `httpMs` and does not hold up other scripts. The same limits \
         apply. Fails for any other member.",
        "http::request(#{ url: \"https://api.example.org/status\", timeoutMs: 500 }).body == `{\"ok\":true}`",
    ),
    function(
        "jwt",
        "decode(token: string) -> map",
        "Returns `#{ header, claims }` of a JWT in compact form without verifying it, so the claims prove \
         nothing. Fails when the token is not a JWT or has more than 65536 bytes.",
        "jwt::decode(\"eyJhbGciOiJub25lIn0.eyJpc3MiOiJhIn0.\").claims.iss == \"a\"",
    ),
    function(
        "jwt",
        "verify(token: string, jwks: map or string, expected: map) -> map",
        "The same, verified with one of the keys. `expected` is `#{ algorithms, issuer, audience, maxAge }`, \
         and each member is optional. By default, all asymmetric algorithms are accepted. `maxAge` is in \
         seconds since `iat`. A token with an `aud` requires an `audience` that is in it. Fails when the \
         token does not verify, is expired, or does not match `expected`.",
        "let keys = #{ keys: [#{ kty: \"oct\", k: base64::encode_url(secrets::get(\"key\")) }] }; let token \
         = jwt::sign(#{ iss: \"a\" }, \"key\"); jwt::verify(token, keys, #{ algorithms: [\"HS256\"], issuer: \
         \"a\" }).claims.iss == \"a\"",
    ),
    function(
        "jwt",
        "sign(claims: map, secret: string) -> string",
        "Returns a JWT with these claims, at most 16384 bytes, signed with the named secret: a private key \
         as JWK or PEM, or the text of an HMAC key. Fails when the secret is not a signing key.",
        "jwt::decode(jwt::sign(#{ iss: \"a\" }, \"key\")).claims == #{ iss: \"a\" }",
    ),
    function(
        "kv",
        "get(key: string) -> any",
        "Returns the value that this script stored under the key, or `()` when there is none or it has \
         expired. Values survive a restart, and belong to the file name of the script. A key has at most 256 \
         bytes. Counts towards `storeCalls`.",
        "kv::get(\"nothing\") == ()",
    ),
    function(
        "kv",
        "set(key: string, value: any, seconds: int)",
        "Stores a value of at most 16384 bytes of JSON for the given number of seconds, at most a year. The \
         same limits apply. When the script has reached `kvEntries`, the values stored with `kv::set` that \
         expire first are dropped; counters of `kv::increment` are never dropped.",
        "kv::set(\"seen\", #{ at: 1 }, 60); kv::get(\"seen\").at == 1",
    ),
    function(
        "kv",
        "delete(key: string) -> bool",
        "Deletes the value under the key, and returns whether there was one. The same limits apply.",
        "!kv::delete(\"nothing\")",
    ),
    function(
        "kv",
        "increment(key: string, by: int, seconds: int) -> int",
        "Adds to a counter and returns the sum; no two requests get the same sum. A new counter starts at 0 \
         and expires after the given number of seconds; an existing counter keeps its expiry. The same \
         limits apply. Fails when the stored value is not an integer, and when the script already has \
         `kvEntries` counters.",
        "kv::increment(\"counter\", 1, 3600) == 1 && kv::increment(\"counter\", 2, 3600) == 3",
    ),
    function(
        "secrets",
        "get(name: string) -> string",
        "Returns the secret with this name in `[scripts.secrets]` of the configuration. It never appears in \
         the log. Fails when no secret has that name.",
        "secrets::get(\"key\").len() >= 8",
    ),
    function(
        "x509",
        "parse(pem: string) -> map",
        "Parses a certificate, and returns the members of `context.certificate`. Nothing is verified. Fails \
         when the text is not a certificate or has more than 16384 bytes.",
        "x509::parse(context.certificate.pem).subject == context.certificate.subject",
    ),
];
