//! Documentation of everything that scripts can use, for the manual and for editors. The texts about host
//! functions are in `modules`, beside the functions.
//!
//! One test compares these texts with the registered functions and runs every example. Another test
//! compares them with `scripts/README.md`.

mod definitions;

#[cfg(test)]
use std::fmt::Write;

#[cfg(test)]
use crate::script::Hook;
use crate::script::{function, modules};

pub(crate) use super::modules::HostFunction;
pub(crate) use definitions::definitions;

/// A member of `context`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ContextMember {
    /// Its name, as in `client`, or a call, as in `createWebApplicationException(status, entity)`.
    pub(crate) name: &'static str,
    /// Janssen's spelling.
    pub(crate) spelling: &'static str,
    /// Its description.
    pub(crate) about: &'static str,
}

const fn member(name: &'static str, spelling: &'static str, about: &'static str) -> ContextMember {
    ContextMember {
        name,
        spelling,
        about,
    }
}

/// All members of `context`.
pub(crate) static CONTEXT_MEMBERS: &[ContextMember] = &[
    member(
        "client",
        "getClient()",
        "The client that will be stored, read and written by the names of its JSON members: \
         `context.client.contacts.push(\"a@example.org\")`, `context.client[\"client_name#fr\"] = \"Nom\"`. \
         An absent member is `()`, and `push` turns it into a list of one item; setting a member to `()` \
         removes it. An unknown member name is a fault whose message suggests the nearest name. `client_id` \
         and `client_id_issued_at` are present once the client has them, so not in `createClient`, and \
         cannot be changed. The client is read-only in hooks that store nothing. `client_secret` is present \
         only in `clientCreated` and `clientUpdated`, and never appears in the log.",
    ),
    member(
        "stored",
        "getStored()",
        "The client as it is stored, before the change: its metadata, `client_id` and `client_id_issued_at`. \
         Read-only, and never with a secret. Present in the hooks that run before a client is changed or \
         deleted, such as `updateClient` and `deleteClient`; `()` in a registration and after the change. An \
         update replaces all metadata, so a value that a script has set at the registration is kept by \
         copying it: `context.client.org_id = context.stored.org_id`.",
    ),
    member(
        "registerRequest",
        "getRegisterRequest()",
        "The request, after its proofs were merged into it and `adaptRequest` has changed it. Read-only. \
         `evidence` is a string here, and absent in the hooks that run after the response.",
    ),
    member(
        "configurationAttributes",
        "getConfigurationAttibutes()",
        "`[scripts.attributes]` of the configuration, as a map.",
    ),
    member(
        "httpRequest",
        "getHttpRequest()",
        "`#{ method, path, headers, ipAddress }`. Header names are in lower case, and headers with \
         credentials are left out.",
    ),
    member(
        "time",
        "getTime()",
        "When the server began to process the request, in seconds since 1970: the same in every hook of the \
         request, however long it waited. After the response, the time of the request or of the event.",
    ),
    member(
        "shared",
        "getShared()",
        "Values that all scripts of one request share, in all hooks before the response: \
         `context.shared.vendor = \"acme\"`. A value has a JSON form; an absent one is `()`. All values \
         together have at most `resultBytes` of JSON. The map is empty when a request begins, and in each \
         hook after the response.",
    ),
    member(
        "trustLevel",
        "getTrustLevel()",
        "`open`, `document`, `token`, `mtls`, `statement`, `attested` or `operator`.",
    ),
    member(
        "document",
        "getDocument()",
        "The client document that the client is made from, or `()`: `#{ url, host, digest, first_seen, fetched_at, \
         pinned, change }`. `change` is `()` when no version of the document is in force, otherwise \
         `#{ members, before, after, downgrades }` with the members that differ and their values.",
    ),
    member(
        "event",
        "getEvent()",
        "The event, in the hooks that run after the response; otherwise `()`: `#{ id, position, type, at, \
         attempt, reason, changed, revision, exports, pending }`. `attempt` starts at 1. `type` is `client.created`, \
         `client.updated`, `client.disabled`, `client.enabled`, `client.secret_rotated`, \
         `client.deleted` or `client.pending`; `reason` is `request`, `administrator`, `import`, `document`, `expired`, \
         `unused`, `inactive` or `replay`; `changed` is the list of the members that changed; `exports` has what \
         `[[exports]]` adds to the client, by target. `pending` is `()`, but in `registrationPending` it is a map: `id` and `type` (`registration`, `update` or `document`) of what \
         waits, and, if it still waits, `digest`, the `reason` of a script, and `expires_at`.",
    ),
    member(
        "softwareStatement",
        "getSoftwareStatement()",
        "The software statement as `#{ header, claims }`, or `()`. It is verified, with two exceptions. It \
         is not verified yet in `getSoftwareStatementJwks` and `getSoftwareStatementHmacSecret`, which \
         return the keys for that. It is never verified with `softwareStatementValidationType = \"none\"`.",
    ),
    member(
        "dcr",
        "getDcr()",
        "The signed request as `#{ header, claims }`, or `()`. It is verified, except in `getDcrJwks` and \
         `getDcrHmacSecret`, which return the keys for that.",
    ),
    member(
        "evidence",
        "getEvidence()",
        "The attestation evidence as `#{ header, claims }`, not verified, when it is a JWT; otherwise `()`.",
    ),
    member(
        "attestation",
        "getAttestation()",
        "The result of appraising the evidence, or `()`. When `createClient` or `updateClient` appraises \
         evidence itself, it sets this member to `true` or to a map to accept the evidence.",
    ),
    member(
        "certificate",
        "getCertificate()",
        "The client's certificate, or `()`: `#{ subject, attributes, issuer, serialNumber, sans, sha256, \
         thumbprint, pem, validity, jwk, trusted }`. `attributes` maps the name of each subject attribute to \
         the list of its values: `context.certificate.attributes.UID[0]`.",
    ),
    member(
        "initialAccessToken",
        "getInitialAccessToken()",
        "The attributes of the initial access token, as a map, or `()` when the client has none. In an \
         update, they are those of the token that the client was registered with.",
    ),
    member(
        "initialAccessTokenId",
        "getInitialAccessTokenId()",
        "The identifier of that token, as `registrar tokens list` shows it, or `()`. It is not the token.",
    ),
    member(
        "initialAccessTokenNote",
        "getInitialAccessTokenNote()",
        "The note of the administrator who created that token, or `()`.",
    ),
    member(
        "holdForApproval(reason)",
        "holdForApproval(reason)",
        "Lets the registration or update wait for an administrator (`registrationApproval`), or the client document, \
         whatever `clientDocumentApproval` is. For `createClient` and `updateClient`, which return `true` beside it.",
    ),
    member(
        "createWebApplicationException(status, entity)",
        "createWebApplicationException(status, entity)",
        "Sets the response: a status from 400 to 599, and a body that is a map or JSON text. The server \
         sends it whatever the hook returns.",
    ),
    member(
        "createStaleEvidenceWebApplicationException(nonce)",
        "createStaleEvidenceWebApplicationException(nonce)",
        "Sets the response to 400 `stale_evidence` with this nonce.",
    ),
];

/// All functions that are available in tests only. Each example is a test that passes with a single
/// script whose `createClient` returns `true`.
pub(crate) static TEST_FUNCTIONS: &[HostFunction] = &[
    function(
        "",
        "assert(condition: bool)",
        "Fails the test unless the condition is true.",
        "assert(1 + 1 == 2);",
    ),
    function(
        "",
        "assert(condition: bool, message: string)",
        "The same, with a message for the failure.",
        "assert(1 + 1 == 2, \"numbers are broken\");",
    ),
    function(
        "",
        "assert_eq(left: any, right: any)",
        "Fails the test and shows both values, unless they are the same JSON. The order of members does not \
         matter.",
        "assert_eq(#{ a: 1, b: [2] }, #{ b: [2], a: 1 });",
    ),
    function(
        "",
        "run(hook: string, given: map) -> map",
        "Calls a hook of all scripts in order, as the server does. `given` and the result are described in \
         the section on tests. Fails when no script has the hook, and when the scripts do not load.",
        "assert_eq(run(\"createClient\", #{ request: #{ client_name: \"K\" } }).outcome, \"passed\");",
    ),
    function(
        "",
        "run(hook: string) -> map",
        "The same with an empty request.",
        "assert_eq(run(\"createClient\").client, #{});",
    ),
    function(
        "",
        "run_script(script: string, hook: string, given: map) -> map",
        "The same, with only the script of this file name.",
        "assert_eq(run_script(\"10-a.rhai\", \"createClient\", #{}).outcome, \"passed\");",
    ),
    function(
        "fake",
        "http(method: string, url: string, answer: map or array)",
        "From now on, `http` gets this response to this method and URL: `#{ status, headers, json, body, \
         delayMs, error }`, each optional. Of an array, each request gets the next response, and the last one \
         is repeated. A response takes `delayMs`, without waiting: it is too late for a shorter timeout, and \
         counts towards `httpMs`. With `error`, there is no response and the request fails with this text. A \
         request without a fake response fails, as if the server were unreachable.",
        "fake::http(\"GET\", \"https://a.example/\", [#{ delayMs: 9000 }, #{ json: #{ ok: true } }]); let late = \
         false; try { http::get(\"https://a.example/\"); } catch { late = true; } \
         assert(late && http::get(\"https://a.example/\").json.ok);",
    ),
    function(
        "fake",
        "now(seconds: int)",
        "Sets the clock, which does not advance by itself. A test begins at 2026-01-01T00:00:00Z.",
        "fake::now(86400); assert_eq(time::format(time::now()), \"1970-01-02T00:00:00Z\");",
    ),
    function(
        "fake",
        "advance(seconds: int)",
        "Moves the clock forward.",
        "let then = time::now(); fake::advance(60); assert_eq(time::now() - then, 60);",
    ),
    function(
        "fake",
        "secret(name: string, text: string)",
        "Defines a secret of at least 8 bytes. Tests never read the secrets of the configuration.",
        "fake::secret(\"key\", \"not a secret\"); assert_eq(secrets::get(\"key\"), \"not a secret\");",
    ),
    function(
        "fake",
        "client(members: map)",
        "Adds a client that `clients` finds.",
        "fake::client(#{ software_id: \"a\" }); assert(clients::exists(#{ software_id: \"a\" }));",
    ),
];

/// Returns all functions of all host modules, sorted by module.
pub(crate) fn host_functions() -> Vec<&'static HostFunction> {
    modules::FUNCTIONS.into_iter().flatten().collect()
}

/// Returns the reference part of `scripts/README.md`, for the test that compares them.
#[cfg(test)]
pub(crate) fn reference() -> String {
    let mut text = String::new();
    // Writing to a `String` does not fail.
    let _ = write_reference(&mut text);
    text
}

#[cfg(test)]
fn write_reference(text: &mut String) -> std::fmt::Result {
    text.write_str("### Hooks\n\n| Hook | When it is called, and what it returns |\n|---|---|\n")?;
    for hook in Hook::ALL {
        let parameters = hook.parameters().join(", ");
        writeln!(
            text,
            "| `{}({parameters})` | {} |",
            hook.name(),
            hook.about()
        )?;
    }
    text.write_str(
        "\n### `context`\n\n| Member | Janssen's spelling | What it is |\n|---|---|---|\n",
    )?;
    for member in CONTEXT_MEMBERS {
        writeln!(
            text,
            "| `{}` | `{}` | {} |",
            member.name, member.spelling, member.about
        )?;
    }
    text.write_str(
        "\n### Host functions\n\n| Function | What it does | Example that evaluates to `true` |\n\
         |---|---|---|\n",
    )?;
    write_functions(text, &host_functions())?;
    text.write_str(
        "\n### In tests only\n\n| Function | What it does | Example that passes |\n|---|---|---|\n",
    )?;
    write_functions(text, &TEST_FUNCTIONS.iter().collect::<Vec<_>>())
}

#[cfg(test)]
fn write_functions(text: &mut String, functions: &[&HostFunction]) -> std::fmt::Result {
    for function in functions {
        let example = function.example.replace('|', "\\|");
        writeln!(
            text,
            "| `{}` | {} | `{example}` |",
            function.call(),
            function.about
        )?;
    }
    Ok(())
}
