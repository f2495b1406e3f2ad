//! The members of `context`.

use super::ContextMember;

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
        "trustLevel",
        "getTrustLevel()",
        "`open`, `token`, `mtls`, `statement`, `attested` or `operator`.",
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
        "The attributes of the initial access token, or `()`.",
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
