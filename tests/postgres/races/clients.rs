//! Concurrent changes of one client and of the configuration.

use reqwest::Method;
use serde_json::{Value, json};

use super::pair::{MANY, Pair, ROUNDS, count};
use crate::body;
use crate::node::{Node, until};

/// A client that is updated and deleted at the same time is deleted or intact, and counted accordingly.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_is_updated_or_deleted_but_never_partially() {
    let Some(pair) = Pair::start("rotateRegistrationAccessToken = \"onUpdate\"").await else {
        return;
    };
    let mut left = 1;
    for round in 0..ROUNDS {
        let client = pair.nodes[0].register("x").await;
        let update = |turn: usize| {
            let mut update = body(&format!("{round}-{turn}"));
            update["client_id"] = client["client_id"].clone();
            update
        };
        // The old token is valid until a new one is used, so several updates may succeed in turn.
        let answers = pair
            .at_once(MANY, |node, turn| {
                node.of(Method::PUT, &client).json(&update(turn))
            })
            .await;
        let updated: Vec<&Value> = answers
            .iter()
            .filter(|(status, _)| *status == 200)
            .map(|(_, body)| body)
            .collect();
        assert!(
            !updated.is_empty() && updated.len() + count(&answers, &[401, 409]) == MANY,
            "{answers:?}"
        );
        let mut holders = Vec::new();
        for client in updated {
            let read = pair.nodes[1].of(Method::GET, client).send().await.unwrap();
            if read.status() == 200 {
                holders.push((client, read.json::<Value>().await.unwrap()));
            }
        }
        let [(holder, read)] = &holders[..] else {
            panic!("{} tokens are valid", holders.len())
        };
        assert_eq!(read["client_name"], holder["client_name"]);
        for node in &pair.nodes {
            assert_eq!(
                node.of(Method::GET, &client).send().await.unwrap().status(),
                401,
                "the old token is invalid"
            );
        }
        let answers = pair
            .at_once(MANY, |node, turn| match turn % 4 {
                0 | 3 => node.of(Method::DELETE, holder),
                _ => node.of(Method::PUT, holder).json(&update(turn)),
            })
            .await;
        let deleted = count(&answers, &[204]);
        assert!(deleted <= 1, "{answers:?}");
        assert_eq!(
            deleted + count(&answers, &[200, 401, 409]),
            MANY,
            "{answers:?}"
        );
        left += 1 - deleted as u64;
        let is_gone =
            async |node: &Node| node.of(Method::GET, holder).send().await.unwrap().status() == 401;
        if deleted == 1 {
            assert!(is_gone(&pair.nodes[0]).await && is_gone(&pair.nodes[1]).await);
        }
    }
    assert_eq!(pair.clients().await, [left; 4]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patches_at_both_servers_take_effect_at_both_or_are_rejected() {
    let Some(pair) = Pair::start("").await else {
        return;
    };
    let token = pair.administrator().await;
    let names = [
        "accessTokenLifetime",
        "evidenceNonceLifetime",
        "dynamicRegistrationExpirationTime",
        "clientExpiryGrace",
    ];
    for round in 1..=ROUNDS {
        let patch = |node: &Node, turn: usize| {
            let path = format!("/registration/{}", names[turn]);
            let operations = json!([{"op": "add", "path": path, "value": 1_000 * round + turn}]);
            let request = node
                .request(Method::PATCH, "/admin/v1/config")
                .bearer_auth(&token);
            request
                .header("content-type", "application/json-patch+json")
                .body(operations.to_string())
        };
        let answers = pair.at_once(names.len(), patch).await;
        assert!(count(&answers, &[200]) >= 1, "{answers:?}");
        assert_eq!(
            count(&answers, &[200, 409, 412]),
            names.len(),
            "{answers:?}"
        );
        for node in &pair.nodes {
            let is_in_force = async || {
                let shown = node
                    .request(Method::GET, "/admin/v1/config")
                    .bearer_auth(&token)
                    .send()
                    .await;
                let shown: Value = shown.unwrap().json().await.unwrap();
                let is_so =
                    |turn: usize| shown["registration"][names[turn]] == json!(1_000 * round + turn);
                (0..names.len())
                    .filter(|turn| answers[*turn].0 == 200)
                    .all(is_so)
            };
            until(is_in_force).await;
        }
    }
}
