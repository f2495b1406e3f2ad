//! What waits for an administrator, and what an administrator has decided, is the same for all servers on one database.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::body;
use crate::database::Database;
use crate::node::Node;
use crate::origin::Origin;

/// Both servers share the credentials.
const CREDENTIALS: &str = "administrator.json";
const DOCUMENT: &str = "https://editor.example.org/oauth/client.json";

/// The certificate of the host of documents.
const CERTIFICATE: &str = "origin.pem";

/// Starts a server that may fetch from this machine, where documents and their changes wait.
fn start_fetching(database: &Database, folder: &TempDir) -> Node {
    let certificate = folder.path().join(CERTIFICATE).display().to_string();
    let more = format!(
        "clientDocumentApproval = \"first\"\nclientDocumentHold = \"keep\"\n\
         [fetch]\nallowPrivateAddresses = true\ncaFile = {certificate:?}\n"
    );
    start_with(database, folder, &more)
}

fn start(database: &Database, folder: &TempDir) -> Node {
    start_with(database, folder, "")
}

fn start_with(database: &Database, folder: &TempDir, more: &str) -> Node {
    let more = format!(
        "[server]\nissuer = \"https://registrar.example.org\"\n[admin]\ncredentialsFile = {:?}\n\
         [registration]\nregistrationApproval = \"offered\"\nclientDocuments = \"any\"\n\
         registrationApprovalUri = \"https://console.example.org/approve\"\n{more}",
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_waits_on_both_servers_and_outlives_each() {
    let Some(database) = Database::new().await else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let origin = Origin::start(&folder.path().join(CERTIFICATE));
    origin.publish("Editor");
    let mut one = start_fetching(&database, &folder);
    let mut two = start_fetching(&database, &folder);
    let path = format!("/admin/v1/clients/resolve?client_id={}", origin.url());
    let resolve = (Method::GET, path.as_str());
    let (status, answer) = called(&folder, &one, resolve.clone(), &json!({})).await;
    assert_eq!(status, 403, "{answer}");
    assert_eq!(answer["error"], "document_pending");
    one.kill();

    let list = (Method::GET, "/admin/v1/pending?type=document");
    let (_, listed) = called(&folder, &two, list.clone(), &json!({})).await;
    let id = listed["pending"][0]["id"].as_str().unwrap().to_owned();
    let show = format!("/admin/v1/pending/{id}");
    let (_, shown) = called(&folder, &two, (Method::GET, &show), &json!({})).await;
    let approve = format!("{show}/approve");
    let approve = (Method::POST, approve.as_str());
    let seen = json!({"digest": shown["digest"]});
    let (status, answer) = called(&folder, &two, approve.clone(), &seen).await;
    assert_eq!(status, 204, "{answer}");
    let one = start_fetching(&database, &folder);
    for node in [&one, &two] {
        let (status, client) = called(&folder, node, resolve.clone(), &json!({})).await;
        assert_eq!(status, 200, "{client}");
        assert_eq!(client["metadata"]["client_name"], "Editor");
    }
    assert_eq!(called(&folder, &one, approve, &seen).await.0, 404);

    // A change is held by one server, which is killed, and decided about at the other.
    origin.publish("Other");
    let refresh = (Method::POST, "/admin/v1/client-documents/refresh");
    let order = json!({"client_id": origin.url()});
    let (status, client) = called(&folder, &two, refresh, &order).await;
    assert_eq!(status, 200, "{client}");
    two.kill();
    let (_, listed) = called(&folder, &one, list, &json!({})).await;
    assert_eq!(listed["pending"][0]["id"], id, "{listed}");
    assert_eq!(listed["pending"][0]["changed"], json!(["client_name"]));
    let (status, client) = called(&folder, &one, resolve.clone(), &json!({})).await;
    assert_eq!(
        (status.as_u16(), &client["metadata"]["client_name"]),
        (200, &json!("Editor"))
    );
    let two = start_fetching(&database, &folder);
    let deny = format!("{show}/deny");
    let deny = (Method::POST, deny.as_str());
    let nothing = json!({});
    let (here, there) = tokio::join!(
        called(&folder, &one, deny.clone(), &nothing),
        called(&folder, &two, deny, &nothing)
    );
    let mut statuses = [here.0.as_u16(), there.0.as_u16()];
    statuses.sort_unstable();
    assert!(matches!(statuses, [204, 204 | 404]), "{here:?} {there:?}");
    for node in [&one, &two] {
        let (status, denied) = called(&folder, node, resolve.clone(), &json!({})).await;
        assert_eq!(
            (status.as_u16(), &denied["error"]),
            (403, &json!("document_denied"))
        );
    }
}
