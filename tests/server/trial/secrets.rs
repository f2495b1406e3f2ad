//! What an administrator with the scope for trials does not learn: the secrets of clients and of scripts.

use registrar::config::SecretSource;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Answer, Registered, TestServer, minimal, with};

const SECRET: &str = "the secret of the policy service";

/// Tells the secret in every way that a script can.
const TELLS: &str = r#"
    fn createClient(context) {
        let secret = secrets::get("policy");
        log::info(secret);
        if context.client.client_name == "Thrown" {
            throw #{ error: "access_denied", error_description: `no ${secret}`, more: [secret] };
        }
        if context.client.client_name == "Set" {
            context.createWebApplicationException(400, #{ error: "invalid_client_metadata", error_description: secret });
            return false;
        }
        context.client.client_name = secret;
        true
    }
    fn updateClient(context) { createClient(context) }
"#;

struct Kept {
    server: TestServer,
    _folder: TempDir,
}

async fn kept(files: &[(&str, &str)]) -> Kept {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("policy");
    std::fs::write(&file, SECRET).unwrap();
    let server = TestServer::scripted(files, |configuration| {
        let secrets = &mut configuration.settings.scripts.secrets;
        secrets.insert("policy".to_owned(), SecretSource::File(file));
    })
    .await;
    Kept {
        server,
        _folder: folder,
    }
}

impl Kept {
    /// Calls the admin API with exactly `scopes`.
    async fn call(&self, scopes: &[&str], path: &str, input: &Value) -> Answer {
        let made: Registered = self.server.appoint(json!({"scopes": scopes})).await;
        let token = self.server.access_token(&made).await;
        let path = format!("/admin/v1/{path}");
        let body = Some(input);
        self.server.call_as(&token, "POST", &path, body).await
    }
}

#[tokio::test]
async fn an_update_that_is_tried_shows_a_made_up_secret() {
    let kept = kept(&[]).await;
    let client = kept.server.register(&minimal()).await;
    let body = with(minimal(), json!({"client_id": client.id}));
    let shows = json!({"returnClientSecretOnRead": true});
    let bearer = json!({"authorization": format!("Bearer {}", client.token)});
    let secret = client.body["client_secret"].as_str().unwrap();
    for headers in [json!({}), bearer] {
        let input = json!({"client_id": client.id, "body": body, "headers": headers, "registration": shows});
        let answer = kept.call(&["scripts.try"], "try", &input).await;
        answer.expect_status(200);
        assert_eq!(answer.body["answer"]["status"], 200, "{}", answer.body);
        let made_up = answer.body["answer"]["body"]["client_secret"].as_str();
        let made_up = made_up.unwrap_or_else(|| panic!("{}", answer.body));
        assert_eq!(made_up.len(), secret.len());
        assert_ne!(made_up, secret);
    }
    let read = kept.server.read(&client).await;
    assert_eq!(read.member("client_secret"), secret);
}

#[tokio::test]
async fn scripts_of_a_trial_tell_no_secret() {
    let kept = kept(&[("10-in-force.rhai", TELLS)]).await;
    let scopes = [&["scripts.try"][..], &["scripts.try", "scripts.write"]];
    for (scopes, others) in scopes.into_iter().flat_map(|it| [(it, false), (it, true)]) {
        for name in ["Thrown", "Set", "Changed"] {
            let mut input = json!({"body": with(minimal(), json!({"client_name": name}))});
            if others {
                input["scripts"] = json!({"20-brought.rhai": TELLS});
            }
            let answer = kept.call(scopes, "try", &input).await;
            answer.expect_status(200);
            let text = answer.body.to_string();
            assert!(!text.contains(SECRET), "{text}");
            assert!(text.contains("[policy]"), "{text}");
        }
    }
}

/// A script can hide a secret from any search: here it tells its letters.
#[tokio::test]
async fn scripts_that_somebody_brings_see_made_up_secrets_unless_they_could_be_put_in_force() {
    let kept = kept(&[]).await;
    let spells = r#"fn createClient(context) {
        context.client.contacts = secrets::get("policy").split("").filter(|letter| letter != "" && letter != " ")
            .map(|letter| letter + "@example.org");
        true
    }"#;
    let input = json!({"body": minimal(), "scripts": {"10-spells.rhai": spells}});
    let contacts = async |scopes: &[&str]| {
        let answer = kept.call(scopes, "try", &input).await;
        answer.expect_status(200);
        let contacts = &answer.body["answer"]["body"]["contacts"];
        let contacts = contacts
            .as_array()
            .unwrap_or_else(|| panic!("{}", answer.body));
        let letters = contacts
            .iter()
            .map(|contact| &contact.as_str().unwrap()[..1]);
        letters.collect::<String>()
    };
    assert_eq!(contacts(&["scripts.try"]).await, "made-uppolicy");
    let real = contacts(&["scripts.try", "scripts.write"]).await;
    assert_eq!(real, SECRET.replace(' ', ""));
}

#[tokio::test]
async fn scripts_that_somebody_brings_call_nobody_unless_they_could_be_put_in_force() {
    let kept = kept(&[]).await;
    let script = json!({"10-a.rhai": "fn createClient(context) { true }"});
    let live = json!({"body": minimal(), "http": "live"});
    let brought = with(live.clone(), json!({"scripts": script}));
    let alone = with(live.clone(), json!({"replace_scripts": true}));
    let replayed = json!({"files": script, "http": true});
    for (path, input) in [
        ("try", &brought),
        ("try", &alone),
        ("scripts/replay", &replayed),
    ] {
        let answer = kept.call(&["scripts.try"], path, input).await;
        answer.expect_error(403, &["insufficient_scope"]);
        assert!(answer.header("www-authenticate").contains("scripts.write"));
        let both = ["scripts.try", "scripts.write"];
        kept.call(&both, path, input).await.expect_status(200);
    }
    let answer = kept.call(&["scripts.try"], "try", &live).await;
    answer.expect_status(200);
}

#[tokio::test]
async fn an_answer_of_a_script_tells_the_client_no_secret() {
    let kept = kept(&[("10-in-force.rhai", TELLS)]).await;
    for name in ["Thrown", "Set"] {
        let body = with(minimal(), json!({"client_name": name}));
        let answer = kept.server.post(&body).await;
        assert!(answer.status >= 400, "{name}");
        let text = answer.body.to_string();
        assert!(
            !text.contains(SECRET) && text.contains("[policy]"),
            "{text}"
        );
    }
}
