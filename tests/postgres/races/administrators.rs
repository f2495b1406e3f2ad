//! Administrators that two servers change at the same time.

use reqwest::Method;
use serde_json::{Value, json};

use super::pair::{Pair, ROUNDS, count};
use crate::database::note_secrets;
use crate::node::Node;

const ALL: &str = "/admin/v1/administrators";

fn disable(node: &Node, id: &str, token: &str, is_disabled: bool) -> reqwest::RequestBuilder {
    node.request(Method::PATCH, &format!("{ALL}/{id}"))
        .bearer_auth(token)
        .json(&json!({"disabled": is_disabled}))
}

/// Two administrators with all scopes disable each other on two servers. One remains, in every round.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_administrator_with_all_scopes_remains() {
    let Some(pair) = Pair::start("").await else {
        return;
    };
    let first = pair.administrator().await;
    let made = pair.nodes[0]
        .request(Method::POST, ALL)
        .bearer_auth(&first)
        .json(&json!({"name": "second", "all_scopes": true}))
        .send()
        .await
        .unwrap();
    assert_eq!(made.status(), 201);
    let made: Value = made.json().await.unwrap();
    note_secrets(&made);
    let second = made["client_id"].as_str().unwrap();
    for round in 0..ROUNDS {
        let mine = pair.administrator().await;
        let theirs = pair.nodes[1].access_token(&made).await;
        let answers = pair
            .at_once(2, |node, turn| {
                if turn == 0 {
                    disable(node, second, &mine, true)
                } else {
                    disable(node, "administrator", &theirs, true)
                }
            })
            .await;
        assert_eq!(count(&answers, &[200]), 1, "round {round}: {answers:?}");
        // The other request lost its own token, or was about the last administrator.
        assert_eq!(
            count(&answers, &[401, 409]),
            1,
            "round {round}: {answers:?}"
        );
        let again = if answers[0].0 == 200 {
            disable(&pair.nodes[0], second, &mine, false)
        } else {
            disable(&pair.nodes[0], "administrator", &theirs, false)
        };
        assert_eq!(again.send().await.unwrap().status(), 200, "round {round}");
    }
}
