//! What waits for an administrator, and what an administrator has decided, is the same for all servers on one database.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::body;
use crate::database::Database;
use crate::node::Node;

/// Both servers share the credentials.
const CREDENTIALS: &str = "administrator.json";
const DOCUMENT: &str = "https://editor.example.org/oauth/client.json";

fn start(database: &Database, folder: &TempDir) -> Node {
    let more = format!(
        "[server]\nissuer = \"https://registrar.example.org\"\n[admin]\ncredentialsFile = {:?}\n\
         [registration]\nregistrationApproval = \"offered\"\nclientDocuments = \"any\"\n\
         registrationApprovalUri = \"https://console.example.org/approve\"\n",
        folder.path().join(CREDENTIALS).display().to_string(),
    );
    Node::start_with(database, &more)
}

/// Sends a call of the administrator, and returns the status and the answer.
async fn called(
    folder: &TempDir,
    node: &Node,
    (method, path): (Method, &str),
    body: &Value,
) -> (StatusCode, Value) {
    let administrator = std::fs::read(folder.path().join(CREDENTIALS)).unwrap();
    let administrator = serde_json::from_slice(&administrator).unwrap();
    let token = node.access_token(&administrator).await;
    let request = node.request(method, path).bearer_auth(token).json(body);
    let answer = request.send().await.unwrap();
    let status = answer.status();
    (status, answer.json().await.unwrap_or_default())
}

async fn post(node: &Node, body: &Value) -> (StatusCode, Value) {
    let request = node.request(Method::POST, "/register").json(body);
    let answer = request.send().await.unwrap();
    let status = answer.status();
    (status, answer.json().await.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registration_waits_on_both_servers_and_outlives_one() {
    let Some(database) = Database::new().await else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let mut one = start(&database, &folder);
    let two = start(&database, &folder);
    let mut request = body("waits");
    request["registration_mode"] = json!(["approval"]);
    let (status, deferred) = post(&one, &request).await;
    assert_eq!(status, 202, "{deferred}");
    let poll = json!({"registration_code": deferred["registration_code"]});
    one.kill();
    assert_eq!(post(&two, &poll).await.0, 202);

    let list = (Method::GET, "/admin/v1/pending");
    let (_, listed) = called(&folder, &two, list, &json!({})).await;
    let id = listed["pending"][0]["id"].as_str().unwrap();
    let approve = format!("/admin/v1/pending/{id}/approve");
    let approve = (Method::POST, approve.as_str());
    let (status, _) = called(&folder, &two, approve.clone(), &json!({})).await;
    assert_eq!(status, 204);
    let one = start(&database, &folder);
    let (status, _) = called(&folder, &one, approve, &json!({})).await;
    assert_eq!(status, 409);
    // Of the polls on both servers, one gets the client.
    let (here, there) = tokio::join!(post(&one, &poll), post(&two, &poll));
    let mut statuses = [here.0.as_u16(), there.0.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 400], "{here:?} {there:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_about_a_document_holds_on_both_servers() {
    let Some(database) = Database::new().await else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let (one, mut two) = (start(&database, &folder), start(&database, &folder));
    let document = json!({
        "client_id": DOCUMENT, "client_name": "Editor", "redirect_uris": ["http://127.0.0.1/callback"],
    });
    let pin = json!({"client_id": DOCUMENT, "document": document});
    let order = (Method::POST, "/admin/v1/client-documents/pin");
    let (status, pinned) = called(&folder, &one, order, &pin).await;
    assert_eq!(status, 200, "{pinned}");
    let path = format!("/admin/v1/clients/resolve?client_id={DOCUMENT}");
    let resolve = (Method::GET, path.as_str());
    let (status, resolved) = called(&folder, &two, resolve.clone(), &json!({})).await;
    assert_eq!(status, 200, "{resolved}");
    assert_eq!(resolved["document"]["pinned"], true);
    assert_eq!(resolved["metadata"]["client_name"], "Editor");

    two.kill();
    let two = start(&database, &folder);
    assert_eq!(
        called(&folder, &two, resolve.clone(), &json!({})).await.0,
        200
    );
    let deny = json!({"client_id": DOCUMENT});
    let order = (Method::POST, "/admin/v1/client-documents/deny");
    assert_eq!(called(&folder, &two, order, &deny).await.0, 204);
    for node in [&one, &two] {
        let (status, denied) = called(&folder, node, resolve.clone(), &json!({})).await;
        assert_eq!(
            (status.as_u16(), &denied["error"]),
            (403, &json!("document_denied"))
        );
    }
}
