//! The members of `context`.

use super::ContextMember;

const fn member(name: &'static str, spelling: &'static str, about: &'static str) -> ContextMember {
    ContextMember { name, spelling, about }
}

/// Every member of `context`.
pub static CONTEXT_MEMBERS: &[ContextMember] = &[
    member(
        "client",
        "getClient()",
        "The client that will be stored, read and written by the names of its JSON members: \
         `context.client.contacts.push(\"a@example.org\")`, `context.client[\"client_name#fr\"] = \"Nom\"`. \
         An absent member is `()`, of which `push` makes a list of one; setting `()` takes one away. A name that no \
         metadata has is a fault that suggests the nearest one. `client_id` and `client_id_issued_at` are there for every client that has \
         them, so not in `createClient`, and are never changed. Read-only where nothing is stored. `client_secret` is \
         there in `clientCreated` and `clientUpdated` alone; no line of the log shows it.",
    ),
    member(
        "registerRequest",
        "getRegisterRequest()",
        "The request, after its proofs were merged into it and `adaptRequest` has changed it. Read-only. `evidence` is a text there, and absent after \
         the answer.",
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
    member(
        "trustLevel",
        "getTrustLevel()",
        "`open`, `token`, `mtls`, `statement`, `attested` or `operator`.",
    ),
    member(
        "softwareStatement",
        "getSoftwareStatement()",
        "The software statement as `#{ header, claims }`, or `()`. It is verified, but for two cases: \
         `getSoftwareStatementJwks` and `getSoftwareStatementHmacSecret` say which keys verify it, so it is not \
         verified there; and with `softwareStatementValidationType = \"none\"` it never is.",
    ),
    member(
        "dcr",
        "getDcr()",
        "The signed request as `#{ header, claims }`, or `()`. It is verified, but not in `getDcrJwks` and \
         `getDcrHmacSecret`, which say with which keys.",
    ),
    member(
        "evidence",
        "getEvidence()",
        "The attestation evidence as `#{ header, claims }` when it is a JWT, not verified, or `()`.",
    ),
    member(
        "attestation",
        "getAttestation()",
        "What the evidence was found to say, or `()`. `createClient` and `updateClient` set it, to `true` or a map, when \
         they are the ones who look at evidence: that is how they say that it is good.",
    ),
    member(
        "certificate",
        "getCertificate()",
        "The client's certificate, or `()`: `#{ subject, attributes, issuer, serialNumber, sans, sha256, thumbprint, pem, \
         validity, jwk, trusted }`; `attributes` are the parts of the subject by name, each a list: \
         `context.certificate.attributes.UID[0]`.",
    ),
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
