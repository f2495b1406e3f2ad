//! Measures the requests of registered clients: `GET`, `PUT`, a token, the metadata of the server.

use std::net::SocketAddr;

use serde_json::Value;
use tempfile::TempDir;

use super::driver::{self, Load, Request, Size};
use super::{BODY, floor, line, product};

/// A client that gets tokens for itself.
const MACHINE: &str =
    r#"{"grant_types":["client_credentials"],"response_types":[],"scope":"profile email"}"#;

/// A client that manages itself.
pub(crate) struct Client {
    /// The response to its registration.
    answer: Vec<u8>,
    id: String,
    path: String,
    token: String,
    secret: String,
}

impl Client {
    pub(crate) async fn register(address: SocketAddr, body: &str) -> Self {
        let answer = driver::once(address, &Request::post("/register", body)).await;
        let client: Value = serde_json::from_slice(&answer).expect("the response is JSON");
        let text = |name: &str| client[name].as_str().expect("a text member").to_owned();
        let id = text("client_id");
        let path = format!("/register?client_id={id}");
        Self {
            path,
            id,
            token: text("registration_access_token"),
            secret: text("client_secret"),
            answer,
        }
    }

    pub(crate) fn get(&self) -> Request {
        Request::get(&self.path, Some(&self.token))
    }

    /// Creates an update with the registered metadata.
    pub(crate) fn put(&self) -> Request {
        let mut update: Value = serde_json::from_str(BODY).expect("a request");
        update["client_id"] = self.id.as_str().into();
        Request::put(&self.path, &self.token, &update.to_string())
    }
}

/// Prints the lines of all requests that need a client.
pub(crate) async fn measure(size: Size) {
    let (product, _folder) = product(0, |_| {}).await;
    let address = product.address();
    let client = Client::register(address, BODY).await;
    let fixed = floor::fixed(client.answer.clone()).await;
    let floor = driver::run(Load::of(fixed, Request::get("/", None), size)).await;
    line("floor: GET of fixed bytes", &floor, &floor);
    line(
        "product: GET with token",
        &driver::run(Load::of(address, client.get(), size)).await,
        &floor,
    );
    let document = Request::get("/.well-known/openid-configuration", None);
    line(
        "product: discovery",
        &driver::run(Load::of(address, document, size)).await,
        &floor,
    );

    let folder = TempDir::new().expect("a temporary folder");
    let durable = floor::start(folder.path()).await;
    let floor = driver::run(Load::of(durable, Request::post("/register", BODY), size)).await;
    line("floor: durable POST", &floor, &floor);
    // Each connection has its own client: of two simultaneous updates of one client, one is rejected.
    let mut requests = Vec::with_capacity(size.connections);
    for _ in 0..size.connections {
        requests.push(Client::register(address, BODY).await.put());
    }
    let load = Load {
        addresses: vec![address],
        requests,
        size,
        beside: None,
    };
    line("product: PUT", &driver::run(load).await, &floor);
    let machine = Client::register(address, MACHINE).await;
    let form = Request::form(
        "/token",
        (&machine.id, &machine.secret),
        "grant_type=client_credentials",
    );
    line(
        "product: token",
        &driver::run(Load::of(address, form, size)).await,
        &floor,
    );
    product.stop().await;
}
