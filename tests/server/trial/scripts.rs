//! What a trial shows of scripts, and what scripts reach.

use registrar::config::SecretSource;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{attempt, steps, tried};
use crate::support::{Origin, Reply, TestServer, fetches_locally, minimal, with};

const ADAPTS: &str = r#"
    fn adaptRequest(request, context) {
        request.client_name = request.client_name.to_upper();
        true
    }
    fn createClient(context) {
        log::info(`registering ${context.client.client_name}`);
        context.client.scope = "openid";
        context.client.contacts = ["a@example.org"];
        true
    }
    fn modifyPostResponse(response, context) {
        response.note = "welcome";
        true
    }
"#;

const REJECTS: &str = r#"
    fn createClient(context) {
        context.client.contacts.push("b@example.org");
        if context.client.client_name == "BAD" { return false; }
        if context.client.client_name == "WORSE" { throw 5; }
        if context.client.client_name == "PAY" {
            throw #{ status: 402, error: "payment_required", error_description: "pay first" };
        }
        true
    }
"#;

fn call<'a>(judged: &'a Value, hook: &str, script: &str) -> &'a Value {
    let calls = judged["hooks"].as_array().unwrap();
    let found = calls
        .iter()
        .find(|call| call["hook"] == hook && call["script"] == script);
    found.unwrap_or_else(|| panic!("{hook} of {script} is not in {judged}"))
}

#[tokio::test]
async fn each_call_shows_its_result_its_changes_and_its_work() {
    let scripts = [("10-adapts.rhai", ADAPTS), ("20-rejects.rhai", REJECTS)];
    let server = TestServer::scripted(&scripts, |_| {}).await;
    let judged = tried(
        &server,
        &json!({"body": with(minimal(), json!({"client_name": "k"}))}),
    )
    .await;
    assert_eq!(judged["answer"]["status"], 201, "{judged}");
    let hooks: Vec<&str> = judged["hooks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| call["hook"].as_str().unwrap())
        .collect();
    assert_eq!(
        hooks,
        [
            "adaptRequest",
            "createClient",
            "createClient",
            "modifyPostResponse"
        ]
    );
    let adapted = call(&judged, "adaptRequest", "10-adapts.rhai");
    assert_eq!(
        adapted["changed"],
        json!([{"member": "client_name", "before": "k", "after": "K"}])
    );
    let first = call(&judged, "createClient", "10-adapts.rhai");
    assert_eq!(first["result"], "passed");
    assert_eq!(first["log"], json!(["info: registering K"]));
    assert_eq!(first["http"], json!([]));
    assert!(first["operations"].as_u64().unwrap() > 5, "{first}");
    let changed: Vec<&str> = first["changed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["member"].as_str().unwrap())
        .collect();
    assert_eq!(changed, ["scope", "contacts"]);
    let second = call(&judged, "createClient", "20-rejects.rhai");
    let contacts = json!([{
        "member": "contacts", "before": ["a@example.org"], "after": ["a@example.org", "b@example.org"],
    }]);
    assert_eq!(second["changed"], contacts);
    for (member, origin) in [
        ("client_name", "script:10-adapts.rhai"),
        ("scope", "script:10-adapts.rhai"),
        ("contacts", "script:20-rejects.rhai"),
        ("note", "script:10-adapts.rhai"),
        ("redirect_uris", "request"),
    ] {
        assert_eq!(judged["origins"][member], origin, "{member}");
    }
}

#[tokio::test]
async fn a_rejection_shows_the_script_and_what_went_wrong() {
    let scripts = [("10-adapts.rhai", ADAPTS), ("20-rejects.rhai", REJECTS)];
    let server = TestServer::scripted(&scripts, |_| {}).await;
    for (name, status, result) in [
        ("bad", 400, "refused"),
        ("worse", 500, "fault"),
        ("pay", 402, "answered"),
    ] {
        let judged = tried(
            &server,
            &json!({"body": with(minimal(), json!({"client_name": name}))}),
        )
        .await;
        assert_eq!(judged["answer"]["status"], status, "{judged}");
        assert_eq!(steps(&judged).1, ["scripts"]);
        let last = call(&judged, "createClient", "20-rejects.rhai");
        assert_eq!(last["result"], result);
        match result {
            "fault" => {
                let error = last["error"].as_str().unwrap();
                assert!(error.starts_with("20-rejects.rhai:5:"), "{error}");
            }
            "answered" => {
                assert_eq!(last["status"], 402);
                assert_eq!(last["body"]["error"], "payment_required");
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_trial_with_other_scripts_changes_nothing_for_clients() {
    let server = TestServer::scripted(&[("10-adapts.rhai", ADAPTS)], |_| {}).await;
    let other = r#"import "lib/names" as names; fn createClient(context) { context.client.client_name = names::NAME; true }"#;
    let library = r#"export const NAME = "From a library";"#;
    let scripts = json!({
        "10-adapts.rhai": null, "20-other.rhai": other, "lib/names.rhai": library,
    });
    let judged = tried(&server, &json!({"body": minimal(), "scripts": scripts})).await;
    assert_eq!(
        judged["answer"]["body"]["client_name"], "From a library",
        "{judged}"
    );
    assert_eq!(judged["origins"]["client_name"], "script:20-other.rhai");
    assert_eq!(judged["hooks"].as_array().unwrap().len(), 1);
    let real = server.post(&minimal()).await;
    assert_eq!(real.body["client_name"], "K");
    let loaded = server.called("GET", "/admin/v1/scripts").await;
    let calls = loaded.body["calls"].as_array().unwrap();
    assert!(
        calls
            .iter()
            .all(|counted| counted["script"] == "10-adapts.rhai"),
        "{}",
        loaded.text
    );
    let created = calls
        .iter()
        .find(|counted| counted["hook"] == "createClient")
        .unwrap();
    assert_eq!(created["calls"], 1, "only the real call is counted");
}

const ASKS: &str = r#"
    fn createClient(context) {
        let said = http::post("https://policy.example.org/check", #{ name: context.client.client_name },
            #{ authorization: `Bearer ${secrets::get("policy")}` });
        context.client.client_name = said.json.name;
        true
    }
"#;

#[tokio::test]
async fn calls_of_http_are_refused_unless_responses_are_given() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("policy");
    std::fs::write(&file, "the secret of the policy service").unwrap();
    let server = TestServer::scripted(&[("10-asks.rhai", ASKS)], |configuration| {
        let secrets = &mut configuration.settings.scripts.secrets;
        secrets.insert("policy".to_owned(), SecretSource::File(file));
    })
    .await;
    let judged = tried(&server, &json!({"body": minimal()})).await;
    assert_eq!(judged["answer"]["status"], 500, "{judged}");
    let asked = call(&judged, "createClient", "10-asks.rhai");
    let error = asked["error"].as_str().unwrap();
    assert!(
        error.contains("http calls no server for a request that is only tried"),
        "{error}"
    );
    let fakes = json!([{
        "method": "POST", "url": "https://policy.example.org/check", "answer": {"json": {"name": "Approved"}},
    }]);
    let judged = tried(&server, &json!({"body": minimal(), "http": fakes})).await;
    assert_eq!(
        judged["answer"]["body"]["client_name"], "Approved",
        "{judged}"
    );
    let sent = &call(&judged, "createClient", "10-asks.rhai")["http"];
    let expected = json!([{
        "method": "POST", "url": "https://policy.example.org/check", "status": 200, "body": "{\"name\":\"K\"}",
        "headers": {"authorization": "Bearer [policy]", "content-type": "application/json"},
    }]);
    assert_eq!(sent, &expected);
}

#[tokio::test]
async fn calls_of_http_reach_the_server_when_they_are_live() {
    let origin = Origin::new().await;
    let script = format!(
        r#"fn createClient(context) {{ context.client.client_name = http::get("{}").json.name; true }}"#,
        origin.at("/name", Reply::json(json!({"name": "Live"})))
    );
    let server = TestServer::scripted(&[("10-live.rhai", &script)], fetches_locally).await;
    for (http, status) in [("refuse", 500), ("live", 201)] {
        let judged = tried(&server, &json!({"body": minimal(), "http": http})).await;
        assert_eq!(judged["answer"]["status"], status, "{judged}");
    }
}

#[tokio::test]
async fn the_limits_of_scripts_apply() {
    let server = TestServer::new().await;
    let endless = json!({"10-endless.rhai": "fn createClient(context) { loop { } }"});
    let judged = tried(&server, &json!({"body": minimal(), "scripts": endless})).await;
    assert_eq!(judged["answer"]["status"], 500);
    let error = judged["hooks"][0]["error"].as_str().unwrap();
    assert!(error.contains("operations"), "{error}");
    let many: serde_json::Map<String, Value> = (0..300)
        .map(|at| (format!("{at}.rhai"), "let x = 1;".into()))
        .collect();
    let answer = attempt(&server, &json!({"body": minimal(), "scripts": many})).await;
    answer.expect_error(400, &["invalid_request"]);
}
