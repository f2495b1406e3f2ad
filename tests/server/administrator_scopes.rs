//! The scopes of administrators: all of today or those of later versions too, and scopes that the configuration has
//! renamed.

use registrar::config::FetchSettings;
use registrar::testing::Storage;
use serde_json::{Value, json};

use crate::administrator::in_folder;
use crate::administrator_keys::Restarted;
use crate::administrators::ALL;
use crate::support::TestServer;

#[tokio::test]
async fn all_scopes_of_today_are_not_all_scopes_of_tomorrow() {
    let server = TestServer::new().await;
    let shown = server.called("GET", &format!("{ALL}/administrator")).await;
    let every = shown.member("scopes").clone();
    let today = server.appoint(json!({"scopes": every})).await;
    let stated = server
        .appoint(json!({"scopes": every, "all_scopes": false}))
        .await;
    let tomorrow = server.appoint(json!({"all_scopes": true})).await;
    for (made, all) in [(&today, false), (&stated, false), (&tomorrow, true)] {
        assert_eq!(
            (&made.body["all_scopes"], &made.body["scopes"]),
            (&json!(all), &every)
        );
    }
    let last = server.last_event().await;
    let patches = [
        (json!({"all_scopes": false, "note": "z"}), false),
        (json!({"all_scopes": true}), true),
        (json!({"all_scopes": false}), false),
        (json!({"note": "y"}), false),
        (json!({"all_scopes": true}), true),
        (json!({"disabled": false}), true),
        (json!({"scopes": every}), false),
    ];
    for (patch, all) in patches {
        let changed = server.patch_admin(&tomorrow.id, patch.clone()).await;
        assert_eq!(changed.member("all_scopes"), &json!(all), "{patch}");
        assert_eq!(changed.member("scopes"), &every, "{patch}");
    }
    let mut noted = Vec::new();
    for event in server.events(last).await {
        if event["action"] == "administrator_updated" {
            noted.push(event["details"]["all_scopes"].clone());
        }
    }
    assert_eq!(
        noted,
        [
            json!(false),
            json!(true),
            json!(false),
            Value::Null,
            json!(true),
            Value::Null,
            json!(false)
        ]
    );
    let none = json!({"name": "x", "all_scopes": false});
    let token = server.administrator_token().await;
    let answer = server.call_as(&token, "POST", ALL, Some(&none)).await;
    answer.expect_error(400, &["invalid_request"]);
    let both = json!({"scopes": ["audit.read"], "all_scopes": true});
    let answer = server.patch_admin(&tomorrow.id, both).await;
    answer.expect_error(400, &["invalid_request"]);
    let first = server
        .patch_admin("administrator", json!({"all_scopes": false}))
        .await;
    first.expect_error(403, &["access_denied"]);
}

#[tokio::test]
async fn an_administrator_that_cannot_get_new_scopes_does_not_prevent_a_start() {
    let folder = tempfile::TempDir::new().unwrap();
    let before = Restarted::new(folder.path(), FetchSettings::default(), "audit.read").await;
    let wanted = json!({"name": "Other", "all_scopes": true});
    let made = before.call("POST", ALL, &wanted).await;
    let id = made.member("client_id").as_str().unwrap().to_owned();
    before.server.stop().await;
    let settings = in_folder(folder.path()).settings.store;
    let storage = Storage::open(&settings).await.unwrap();
    let mut stranger = storage.client(&id).await.unwrap().unwrap();
    stranger["provenance"]["trust_level"] = json!("open");
    storage.replace_client(stranger.clone()).await.unwrap();
    drop(storage);
    let after = Restarted::new(folder.path(), FetchSettings::default(), "a.read").await;
    after.server.stop().await;
    let storage = Storage::open(&settings).await.unwrap();
    assert_eq!(storage.client(&id).await.unwrap(), Some(stranger));
}

#[tokio::test]
async fn a_scope_that_the_configuration_no_longer_names_protects_nobody() {
    let folder = tempfile::TempDir::new().unwrap();
    let before = Restarted::new(folder.path(), FetchSettings::default(), "audit.read").await;
    let wanted = json!({"name": "Old", "scopes": ["audit.read", "clients.read"]});
    let mut paths = Vec::new();
    for _ in 0..4 {
        let made = before.call("POST", ALL, &wanted).await;
        made.expect_status(201);
        paths.push(format!(
            "{ALL}/{}",
            made.member("client_id").as_str().unwrap()
        ));
    }
    before.server.stop().await;
    let after = Restarted::new(folder.path(), FetchSettings::default(), "a.read").await;
    let disabled = after
        .call("PATCH", &paths[0], &json!({"disabled": true}))
        .await;
    assert_eq!(disabled.member("disabled"), &json!(true));
    let rotate = format!("{}/rotate", paths[1]);
    after
        .call("POST", &rotate, &json!({}))
        .await
        .expect_status(200);
    let reduced = json!({"scopes": ["clients.read"]});
    let reduced = after.call("PATCH", &paths[2], &reduced).await;
    assert_eq!(reduced.member("scopes"), &json!(["clients.read"]));
    after
        .call("DELETE", &paths[3], &Value::Null)
        .await
        .expect_status(204);
    after.server.stop().await;
}
