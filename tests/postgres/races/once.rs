//! Tokens, statements and nonces that are valid once or a limited number of times.

use reqwest::Method;
use serde_json::{Value, json};

use super::pair::{MANY, Pair, ROUNDS, count, key, token};
use crate::body;
use crate::node::Node;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_initial_access_token_is_accepted_exactly_its_number_of_uses() {
    let Some(pair) = Pair::start("initialAccessToken = \"required\"").await else {
        return;
    };
    let administrator = pair.administrator().await;
    for uses in [1, 5, 1, 5] {
        let made = pair.nodes[0].request(Method::POST, "/admin/v1/initial-access-tokens");
        let made = made
            .bearer_auth(&administrator)
            .json(&json!({"uses": uses}))
            .send()
            .await
            .unwrap();
        let made: Value = made.json().await.unwrap();
        let initial = made["token"].as_str().unwrap();
        let answers = pair
            .at_once(MANY, |node, _| {
                Pair::register(node, &body("x")).bearer_auth(initial)
            })
            .await;
        assert_eq!(
            (count(&answers, &[201]), count(&answers, &[401])),
            (uses, MANY - uses),
            "{answers:?}"
        );
    }
    assert_eq!(
        pair.clients().await,
        [13; 4],
        "the clients and the administrator"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_registers_one_client() {
    let (key, jwks) = key();
    let registration = format!(
        "softwareStatementSingleUse = true\nsoftwareStatementValidationType = \"builtin\"\n\
         [[registration.dcrSsaValidationConfigs]]\nid = \"1\"\ntype = \"SSA\"\nissuers = [\"one\"]\njwks = '{jwks}'"
    );
    let Some(pair) = Pair::start(&registration).await else {
        return;
    };
    for round in 0..ROUNDS {
        let mut wanted = body("x");
        wanted["software_statement"] =
            token(&key, &json!({"iss": "one", "jti": round.to_string()})).into();
        let answers = pair
            .at_once(MANY, |node, _| Pair::register(node, &wanted))
            .await;
        assert_eq!(
            (count(&answers, &[201]), count(&answers, &[400])),
            (1, MANY - 1),
            "{answers:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_request_registers_one_client() {
    let (key, jwks) = key();
    let registration =
        format!("dcrSignatureValidationEnabled = true\ndcrSignatureValidationJwks = '{jwks}'");
    let Some(pair) = Pair::start(&registration).await else {
        return;
    };
    for round in 0..ROUNDS {
        let mut signed = body("x");
        signed["jti"] = round.to_string().into();
        signed["iss"] = "one".into();
        let signed = token(&key, &signed);
        let request = |node: &Node, _| {
            let request = node.request(Method::POST, "/register").body(signed.clone());
            request.header("content-type", "application/jwt")
        };
        let answers = pair.at_once(MANY, request).await;
        assert_eq!(
            (count(&answers, &[201]), count(&answers, &[400])),
            (1, MANY - 1),
            "{answers:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nonce_is_accepted_once_and_a_counter_counts_all() {
    let Some(pair) = Pair::start("").await else {
        return;
    };
    for _ in 0..ROUNDS {
        let asked = pair
            .at_once(1, |node, _| Pair::register(node, &body("nonce")))
            .await;
        let name = format!("nonce {}", asked[0].1["nonce"].as_str().unwrap());
        let answers = pair
            .at_once(MANY, |node, _| Pair::register(node, &body(&name)))
            .await;
        assert_eq!(
            (count(&answers, &[201]), count(&answers, &[400])),
            (1, MANY - 1),
            "{answers:?}"
        );
    }
    let mut numbers = Vec::new();
    for _ in 0..ROUNDS {
        let answers = pair
            .at_once(MANY, |node, _| Pair::register(node, &body("count")))
            .await;
        let number = |answer: &Value| answer["client_name"].as_str()?.parse::<usize>().ok();
        numbers.extend(answers.iter().map(|(_, answer)| number(answer).unwrap()));
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=MANY * ROUNDS).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_assertion_gets_one_token_which_is_invalid_everywhere_once_revoked() {
    let Some(pair) = Pair::start("").await else {
        return;
    };
    let (key, jwks) = key();
    let wanted = json!({
        "grant_types": ["client_credentials"], "response_types": [], "scope": "profile email",
        "token_endpoint_auth_method": "private_key_jwt", "client_name": "machine",
        "jwks": serde_json::from_str::<Value>(&jwks).unwrap(),
    });
    let client = pair
        .at_once(1, |node, _| Pair::register(node, &wanted))
        .await
        .remove(0)
        .1;
    let id = client["client_id"]
        .as_str()
        .unwrap_or_else(|| panic!("{client}"));
    let assertion = |jti: String| {
        let audience = "https://registrar.example.org";
        let assertion = token(
            &key,
            &json!({"iss": id, "sub": id, "aud": audience, "jti": jti}),
        );
        let kind = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
        format!("client_assertion_type={kind}&client_assertion={assertion}")
    };
    for round in 0..ROUNDS {
        let parameters = format!(
            "grant_type=client_credentials&{}",
            assertion(format!("token {round}"))
        );
        let answers = pair
            .at_once(MANY, |node, _| node.form("/token", parameters.clone()))
            .await;
        assert_eq!(
            (count(&answers, &[200]), count(&answers, &[401])),
            (1, MANY - 1),
            "{answers:?}"
        );
        let got = answers
            .iter()
            .find_map(|(_, answer)| answer["access_token"].as_str())
            .unwrap();
        let ask = async |node: &Node, path: &str, jti: &str| {
            let parameters = format!("token={got}&{}", assertion(format!("{jti} {round}")));
            let answer = node.form(path, parameters).send().await.unwrap();
            let (status, text) = (answer.status(), answer.text().await.unwrap());
            assert_eq!(status, 200, "{path}: {text}");
            serde_json::from_str::<Value>(&text).unwrap_or_default()
        };
        let [one, two] = &pair.nodes;
        assert_eq!(ask(two, "/introspect", "before").await["active"], true);
        ask(one, "/revoke", "between").await;
        assert_eq!(ask(two, "/introspect", "after").await["active"], false);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_is_exact() {
    let Some(pair) = Pair::start("").await else {
        return;
    };
    // Connections are opened first: their handshakes take longer than a script waits for the store.
    let client = pair.nodes[0].register("first").await;
    for _ in 0..2 {
        pair.at_once(32, |node, _| node.of(Method::GET, &client))
            .await;
    }
    for round in 0..ROUNDS {
        let name = format!("quota {round}");
        let answers = pair
            .at_once(32, |node, _| Pair::register(node, &body(&name)))
            .await;
        assert_eq!(
            (count(&answers, &[201]), count(&answers, &[429])),
            (7, 25),
            "{}",
            pair.nodes[0].log()
        );
    }
    let clients = u64::try_from(7 * ROUNDS + 2).unwrap();
    assert_eq!(pair.clients().await, [clients; 4]);
}
