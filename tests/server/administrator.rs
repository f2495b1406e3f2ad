//! The administrator that the first start creates, and the scopes that no other client gets.

use registrar::config::{Configuration, Sources, load};
use registrar::server::{Server, Start, start};
use registrar::testing::{Storage, inside};
use serde_json::{Value, json};

use crate::support::{Answer, GRANT, Registered, TestServer, machine, shipped, with};

impl TestServer {
    /// Returns the administrator as described in its credentials file.
    pub(crate) fn administrator(&self) -> Registered {
        let file = self
            .server()
            .administrator()
            .expect("this start was the first");
        let body: Value =
            serde_json::from_str(&std::fs::read_to_string(file).expect("a file")).expect("JSON");
        let id = body["client_id"]
            .as_str()
            .expect("an identifier")
            .to_owned();
        let uri = self.url(&format!("/register?client_id={id}"));
        Registered {
            id,
            uri,
            token: String::new(),
            body,
        }
    }

    /// Obtains an access token with every scope of `[admin.scopes]`.
    pub(crate) async fn administrator_token(&self) -> String {
        self.access_token(&self.administrator()).await
    }

    /// Obtains an access token with only these scopes of `[admin.scopes]`.
    pub(crate) async fn administrator_token_for(&self, scope: &str) -> String {
        let answer = self
            .basic(&self.administrator(), "/token", &[GRANT, ("scope", scope)])
            .await;
        answer.expect_status(200);
        answer
            .member("access_token")
            .as_str()
            .expect("a token")
            .to_owned()
    }

    /// Prepares a request of the administrator.
    pub(crate) async fn administrate(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.ask(method, path)
            .bearer_auth(self.administrator_token().await)
    }

    /// Sends a request of the administrator without a body.
    pub(crate) async fn called(&self, method: &str, path: &str) -> Answer {
        Answer::of(self.administrate(method, path).await).await
    }

    /// Returns the events of the audit log after the position `after`.
    pub(crate) async fn events(&self, after: u64) -> Vec<Value> {
        let answer = self
            .called("GET", &format!("/admin/v1/audit?limit=1000&after={after}"))
            .await;
        answer.expect_status(200);
        assert_eq!(
            answer.member("next"),
            &Value::Null,
            "the events fit on one page"
        );
        answer.body["events"].as_array().expect("events").clone()
    }

    /// Returns the position of the last event.
    pub(crate) async fn last_event(&self) -> u64 {
        self.events(0)
            .await
            .last()
            .map_or(0, |event| event["position"].as_u64().expect("a position"))
    }
}

const SCOPES: &str = "clients.read clients.write clients.export clients.used clients.resolve \
                      config.read config.write tokens.read tokens.write scripts.read scripts.write scripts.try \
                      documents.read documents.write pending.read pending.write audit.read admins.read admins.write \
                      store.backup";

#[tokio::test]
async fn the_first_start_creates_an_administrator_with_all_scopes() {
    let server = TestServer::new().await;
    let answer = server
        .basic(&server.administrator(), "/token", &[GRANT])
        .await;
    assert_eq!(answer.member("scope"), SCOPES);
    let file = server.folder.path().join("data/admin-credentials.json");
    assert_eq!(server.server().administrator(), Some(file.as_path()));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(
            std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}

#[tokio::test]
async fn no_other_client_can_register_its_scopes() {
    let server = TestServer::new().await;
    let client = server
        .register(&with(
            machine(),
            json!({"scope": format!("email {SCOPES}")}),
        ))
        .await;
    assert_eq!(client.body["scope"], "email");
    server
        .basic(&client, "/token", &[GRANT, ("scope", "tokens.read")])
        .await
        .expect_error(400, &["invalid_scope"]);
    let updated = server
        .update(&client, &client.update(json!({"scope": SCOPES})))
        .await;
    assert_eq!(updated.member("scope"), &Value::Null);
    let script = "fn createClient(context) { context.client.scope = \"clients.write\"; true }";
    let scripted = TestServer::scripted(&[("10.rhai", script)], |_| {}).await;
    scripted
        .post(&machine())
        .await
        .expect_error(500, &["server_error"]);
}

#[tokio::test]
async fn a_scope_of_administrators_cannot_be_defined_for_all_clients() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("r.toml");
    std::fs::write(&file, "[[scopes]]\nid = \"clients.write\"\n").unwrap();
    let sources = Sources {
        file: Some(file),
        ..Default::default()
    };
    let errors = load(&sources).unwrap_err().to_string();
    assert!(
        errors.contains("scopes[0].id") && errors.contains("administrators"),
        "{errors}"
    );
}

#[tokio::test]
async fn the_administrator_cannot_manage_itself_by_rfc_7592() {
    let server =
        TestServer::registering(json!({"dcrAuthorizationWithClientCredentials": true})).await;
    let (admin, token) = (server.administrator(), server.administrator_token().await);
    for method in ["GET", "DELETE"] {
        let answer = Answer::of(server.ask(method, &admin.uri).bearer_auth(&token)).await;
        answer.expect_error(401, &["invalid_token"]);
    }
    let put = server
        .ask("PUT", &admin.uri)
        .bearer_auth(&token)
        .json(&with(machine(), json!({"client_id": admin.id})));
    Answer::of(put).await.expect_error(401, &["invalid_token"]);
    server.access_token(&admin).await;
}

#[tokio::test]
async fn a_restart_creates_no_second_administrator_and_applies_renamed_scopes() {
    let folder = tempfile::TempDir::new().unwrap();
    let begin = async |rename: bool| {
        let mut configuration = in_folder(folder.path());
        configuration.settings.admin.credentials_file = Some(folder.path().join("own/admin.json"));
        if rename {
            configuration.settings.admin.scopes.config_write =
                "https://example.org/write".to_owned();
        }
        start(Start::new(configuration)).await.unwrap()
    };
    let scope = async |server: &Server| {
        let stored = inside(server).storage().client("administrator").await;
        let stored = stored.unwrap().unwrap();
        stored["metadata"]["scope"].as_str().unwrap().to_owned()
    };
    let first = begin(false).await;
    let file = first.administrator().unwrap().to_owned();
    let credentials = std::fs::read_to_string(&file).unwrap();
    assert_eq!(scope(&first).await, SCOPES);
    first.stop().await;
    let second = begin(true).await;
    assert_eq!(second.administrator(), None);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), credentials);
    assert_eq!(
        scope(&second).await,
        SCOPES.replace("config.write", "https://example.org/write")
    );
    let count = inside(&second).storage().count_clients().await;
    assert_eq!(count.unwrap(), 1);
    second.stop().await;
}

#[tokio::test]
async fn the_administrator_of_a_version_with_only_one_keeps_its_secret() {
    let folder = tempfile::TempDir::new().unwrap();
    let settings = in_folder(folder.path()).settings.store;
    let first = start(Start::new(in_folder(folder.path()))).await.unwrap();
    let file = first.administrator().unwrap().to_owned();
    first.stop().await;
    let credentials: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let secret = credentials["client_secret"].as_str().unwrap();
    // As that version stored it: the secret is sealed, and there is nothing of several administrators.
    let storage = Storage::open(&settings).await.unwrap();
    let mut earlier = storage.client("administrator").await.unwrap().unwrap();
    earlier
        .as_object_mut()
        .unwrap()
        .shift_remove("administrator");
    earlier["secret"] = json!({"sealed": storage.seal(secret, "administrator").unwrap()});
    let scope = SCOPES.replace(" admins.read admins.write store.backup", "");
    earlier["metadata"]["scope"] = json!(scope);
    storage.remove_client("administrator").await.unwrap();
    storage.insert_client(earlier).await.unwrap();
    drop(storage);

    let server = start(Start::new(in_folder(folder.path()))).await.unwrap();
    assert_eq!(server.administrator(), None, "no other one is created");
    let http = reqwest::Client::new();
    let sign_in = async |secret: &str| {
        let request = http.post(format!("{}/token", server.url()));
        let request = request.basic_auth("administrator", Some(secret));
        Answer::of(crate::support::form(request, &[GRANT])).await
    };
    let signed_in = sign_in(secret).await;
    assert_eq!(signed_in.member("scope"), SCOPES);
    let token = signed_in.member("access_token").as_str().unwrap();
    let call = async |method: reqwest::Method, path: &str, body: Value| {
        let url = format!("{}/admin/v1/administrators{path}", server.url());
        let request = http.request(method, url).bearer_auth(token).json(&body);
        Answer::of(request).await
    };
    let disabled = json!({"disabled": true});
    let last = call(reqwest::Method::PATCH, "/administrator", disabled).await;
    last.expect_error(409, &["last_administrator"]);
    let more = json!({"name": "More", "scopes": ["audit.read"]});
    let more = call(reqwest::Method::POST, "", more).await;
    more.expect_status(201);
    let overlap = json!({"overlap": 60});
    let rotated = call(reqwest::Method::POST, "/administrator/rotate", overlap).await;
    rotated.expect_status(200);
    let next = rotated.member("client_secret").as_str().unwrap();
    for secret in [secret, next] {
        sign_in(secret).await.expect_status(200);
    }
    server.stop().await;
}

/// Returns the configuration of a server whose store, scripts and credentials are in `folder`.
pub(crate) fn in_folder(folder: &std::path::Path) -> Configuration {
    let mut configuration = shipped();
    configuration.settings.server.listen = "127.0.0.1:0".parse().unwrap();
    configuration.settings.store.url = format!("sled:{}", folder.join("data").display()).into();
    configuration.settings.scripts.directory = folder.join("scripts");
    std::fs::create_dir_all(folder.join("scripts")).unwrap();
    configuration
}

#[tokio::test]
async fn a_client_with_the_name_of_the_administrator_does_not_become_it() {
    let folder = tempfile::TempDir::new().unwrap();
    let configuration = in_folder(folder.path());
    let settings = configuration.settings.store.clone();
    start(Start::new(configuration)).await.unwrap().stop().await;
    let storage = Storage::open(&settings).await.unwrap();
    let mut stranger = storage.client("administrator").await.unwrap().unwrap();
    stranger["provenance"]["trust_level"] = json!("open");
    storage.replace_client(stranger.clone()).await.unwrap();
    drop(storage);
    let mut configuration = in_folder(folder.path());
    // A start would change the scopes of this client.
    configuration.settings.admin.scopes.config_write = "other.write".to_owned();
    let refused = start(Start::new(configuration))
        .await
        .err()
        .expect("it does not start")
        .to_string();
    assert!(refused.contains("registrar admin reset"), "{refused}");
    let storage = Storage::open(&settings).await.unwrap();
    assert_eq!(
        storage.client("administrator").await.unwrap(),
        Some(stranger),
        "the client is not changed"
    );
}

#[tokio::test]
async fn a_scope_that_becomes_an_admin_scope_makes_no_client_an_administrator() {
    let folder = tempfile::TempDir::new().unwrap();
    let mut configuration = in_folder(folder.path());
    let scopes = &mut configuration.settings.admin.scopes;
    (scopes.audit_read, scopes.tokens_read) = ("log.read".to_owned(), "others.read".to_owned());
    for id in ["audit.read", "tokens.read"] {
        let scope = json!({"id": id, "default": true});
        configuration
            .live
            .scopes
            .push(serde_json::from_value(scope).unwrap());
    }
    let first = start(Start::new(configuration)).await.unwrap();
    let http = reqwest::Client::new();
    let register = http.post(format!("http://{}/register", first.address()));
    let client = Answer::of(register.json(&with(machine(), json!({"scope": "email"})))).await;
    assert_eq!(client.member("scope"), "email audit.read tokens.read");
    let (id, secret) = (
        client.member("client_id").clone(),
        client.member("client_secret").clone(),
    );
    let (id, secret) = (id.as_str().unwrap(), secret.as_str().unwrap());
    let ask = async |server: &Server, path: &str, form: &[(&str, &str)]| {
        let request = http.post(format!("http://{}{path}", server.address()));
        Answer::of(crate::support::form(
            request.basic_auth(id, Some(secret)),
            form,
        ))
        .await
    };
    let old = ask(&first, "/token", &[GRANT]).await;
    assert_eq!(
        old.member("scope"),
        "email audit.read tokens.read",
        "they are ordinary scopes in this configuration"
    );
    first.stop().await;

    // Now the scopes have the default names.
    let second = start(Start::new(in_folder(folder.path()))).await.unwrap();
    let new = ask(&second, "/token", &[GRANT]).await;
    assert_eq!(new.member("scope"), "email");
    let asked = [GRANT, ("scope", "audit.read")];
    ask(&second, "/token", &asked)
        .await
        .expect_error(400, &["invalid_scope"]);
    let old = old.member("access_token").as_str().unwrap();
    let audit = http
        .get(format!("http://{}/admin/v1/audit", second.address()))
        .bearer_auth(old);
    Answer::of(audit)
        .await
        .expect_error(403, &["insufficient_scope"]);
    // A token of another client is shown neither to the client nor to the bearer of its token.
    let administrator: Value = serde_json::from_str(
        &std::fs::read_to_string(folder.path().join("data/admin-credentials.json")).unwrap(),
    )
    .unwrap();
    let text = |name: &str| administrator[name].as_str().unwrap().to_owned();
    let request = http.post(format!("http://{}/token", second.address()));
    let request = request.basic_auth(text("client_id"), Some(text("client_secret")));
    let theirs = Answer::of(crate::support::form(request, &[GRANT])).await;
    let form = [("token", theirs.member("access_token").as_str().unwrap())];
    assert_eq!(
        ask(&second, "/introspect", &form).await.body,
        json!({"active": false})
    );
    let bearer = http
        .post(format!("http://{}/introspect", second.address()))
        .bearer_auth(old);
    assert_eq!(
        Answer::of(crate::support::form(bearer, &form)).await.body,
        json!({"active": false})
    );
    second.stop().await;
}

#[tokio::test]
async fn a_store_in_memory_has_no_administrator_unless_the_file_is_configured() {
    let server =
        TestServer::configured(|configuration| configuration.settings.store.url = "memory:".into())
            .await;
    assert_eq!(server.server().administrator(), None);
    server.expect_empty().await;
    let folder = tempfile::TempDir::new().unwrap();
    let server = TestServer::configured(|configuration| {
        configuration.settings.store.url = "memory:".into();
        configuration.settings.admin.credentials_file = Some(folder.path().join("a.json"));
    })
    .await;
    server.administrator_token().await;
}
