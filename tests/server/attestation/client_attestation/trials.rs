//! A client attestation in a trial (`POST /admin/v1/try`) is judged as for a client, and its proof is not used up.

use serde_json::json;

use super::{ATTESTATION, PROOF, Parties};
use crate::origins::origins;
use crate::support::{Registered, minimal};
use crate::trial::{step, tried};

#[tokio::test]
async fn a_client_attestation_is_the_origin_of_what_it_proves() {
    let parties = Parties::new();
    let server = parties.server(json!({})).await;
    let headers = json!({
        ATTESTATION: parties.attestation(), PROOF: parties.proof(&server, "1"),
    });
    let input = json!({"body": minimal(), "headers": headers});
    let members = ["jwks", "software_id"];
    for _ in 0..2 {
        let judged = tried(&server, &input).await;
        assert_eq!(judged["answer"]["status"], 201, "{judged}");
        assert_eq!(step(&judged, "client_attestation")["verdict"], "passed");
        assert_eq!(
            judged["answer"]["body"]["jwks"],
            json!({"keys": [parties.instance.jwk()]})
        );
        for member in members {
            assert_eq!(judged["origins"][member], "attestation", "{member}");
        }
        assert_eq!(judged["origins"]["redirect_uris"], "request");
    }
    // The proof is valid once, and the trials have not used it up.
    let real = parties.post(&server, "1", &minimal()).await;
    real.expect_status(201);
    let client = Registered::of(real.body);
    let shown = origins(&server, &client).await;
    for member in members {
        assert_eq!(shown[member], "attestation", "{shown}");
    }
    let judged = tried(&server, &input).await;
    assert_eq!(step(&judged, "store")["verdict"], "rejected", "{judged}");
    assert_eq!(
        judged["answer"]["body"]["error"],
        "invalid_client_attestation"
    );
    let again = json!({"body": minimal(), "headers": input["headers"], "repeated": true});
    let judged = tried(&server, &again).await;
    assert_eq!(judged["answer"]["status"], 201, "{judged}");

    let forged = json!({ATTESTATION: parties.attestation(), PROOF: "x.y.z"});
    let judged = tried(&server, &json!({"body": minimal(), "headers": forged})).await;
    let rejected = step(&judged, "client_attestation");
    assert_eq!(rejected["verdict"], "rejected");
    assert!(rejected["reason"].is_string(), "{rejected}");
}
