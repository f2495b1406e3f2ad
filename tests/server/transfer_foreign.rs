//! Imports of clients that another product had, in the form that the manual describes.

use serde_json::{Value, json};

use crate::support::{GRANT, Registered, START, TestServer, registering};
use crate::transfer::{export, import, read};

const MANUAL: &str = include_str!("../../docs/administration.md");

/// Returns the lines of the example in the manual.
fn example() -> &'static str {
    let (_, rest) = MANUAL
        .split_once("## Clients of another product")
        .expect("the section is there");
    let (_, rest) = rest.split_once("```json\n").expect("an example");
    rest.split_once("```").expect("its end").0
}

async fn client(server: &TestServer, id: &str) -> Value {
    let answer = server
        .called("GET", &format!("/admin/v1/clients/{id}"))
        .await;
    answer.expect_status(200);
    answer.body
}

#[tokio::test]
async fn the_lines_of_the_manual_are_clients_that_work() {
    // The default lifetime of new clients is not one of clients that exist for long.
    let server = TestServer::configured(|configuration| {
        registering(
            configuration,
            json!({"dynamicRegistrationExpirationTime": 60}),
        );
    })
    .await;
    let answer = import(&server, "", example()).await;
    answer.expect_status(200);
    assert_eq!(
        answer.body,
        json!({"imported": 3, "skipped": 0, "replaced": 0})
    );
    let shop = Registered::of(json!({
        "client_id": "shop", "client_secret": "a-secret-of-the-other-product",
        "registration_client_uri": server.url("/register?client_id=shop"),
        "registration_access_token": "none",
    }));
    let token = server.basic(&shop, "/token", &[GRANT]).await;
    token.expect_status(200);
    let shown = client(&server, "shop").await;
    assert_eq!(shown["client_id_issued_at"], START, "{shown}");
    assert_eq!(shown["provenance"]["trust_level"], "open");
    assert_eq!(shown["provenance"]["administrator"], "administrator");
    let app = client(&server, "app").await;
    assert_eq!(app["client_id_issued_at"], 1_577_836_800);
    assert_eq!(app["metadata"]["response_types"], json!(["code"]));
    server.read(&shop).await.expect_status(401);
    let path = "/admin/v1/clients/shop/registration-token";
    let rotated = server.called("POST", path).await;
    rotated.expect_status(200);
    let token = rotated.member("registration_access_token").as_str();
    let shop = Registered {
        token: token.expect("a token").to_owned(),
        ..shop
    };
    let managed = server.read(&shop).await;
    managed.expect_status(200);
    assert_eq!(managed.body["lifetime"], Value::Null);
    server.clock.advance(1_000);
    server.read(&shop).await.expect_status(200);
    // An export of these clients is one like any other.
    let (clients, last) = read(&export(&server).await);
    assert_eq!((clients.len(), last), (3, json!({"clients": 3})));
    let again = import(&server, "?existing=skip", example()).await;
    assert_eq!(again.member("skipped"), &json!(3));
}

#[tokio::test]
async fn lines_about_clients_of_another_product_are_checked() {
    let server = TestServer::new().await;
    let secret = r#"{"client_id": "a", "metadata": {"redirect_uris": ["https://a.example/cb"]}}"#;
    let one = r#"{"client_id": "b", "client_secret": "s", "metadata": {"redirect_uris": ["https://a.example/cb"]}}"#;
    for (lines, said) in [
        (secret.to_owned(), "line 1: client_secret: is missing"),
        (
            r#"{"client_id": "a", "client_secret": ""}"#.to_owned(),
            "line 1: client_secret",
        ),
        (
            r#"{"client_id": "a", "client_secret_expires_at": 0}"#.to_owned(),
            "line 1: client_secret",
        ),
        (
            r#"{"client_id": "a", "client_secret": "s"}"#.to_owned(),
            "line 1: metadata",
        ),
        (
            r#"{"client_id": "administrator", "client_secret": "s", "metadata": {}}"#.to_owned(),
            "line 1: client_id",
        ),
        (
            format!("{one}\n{{\"clients\": 2}}\n"),
            "line 2: states 2 clients, but 1 precede it",
        ),
        (String::new(), "line 1: the last line"),
    ] {
        let answer = import(&server, "?existing=skip", lines).await;
        answer.expect_error(400, &["invalid_import"]);
        let description = answer.member("error_description").as_str().unwrap();
        assert!(description.starts_with(said), "{description}");
    }
    let counted = format!("{one}\n{{\"clients\": 1}}\n");
    let answer = import(&server, "?existing=skip", counted).await;
    answer.expect_status(200);
    // A part of an export is still rejected as such.
    let lines = export(&server).await;
    let (cut, _) = lines.rsplit_once("{\"clients\"").unwrap();
    let answer = import(&TestServer::new().await, "", cut.to_owned()).await;
    answer.expect_error(400, &["invalid_import"]);
    assert!(answer.text.contains("truncated"), "{}", answer.text);
}
