//! Names that do not resolve to what they seem to. External behaviour is tested in `tests/server/fetch.rs`.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::dns::{Addrs, Name, Resolving};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::fetch::*;

/// Returns the next answer to each lookup, and repeats the last one.
struct Names {
    answers: Mutex<Vec<Vec<SocketAddr>>>,
    asked: AtomicUsize,
}

impl Names {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let addresses = |answer: &&[&str]| {
            answer
                .iter()
                .map(|address| SocketAddr::new(address.parse().unwrap(), 0))
                .collect()
        };
        let answers = answers.iter().rev().map(addresses).collect();
        Arc::new(Self {
            answers: Mutex::new(answers),
            asked: AtomicUsize::new(0),
        })
    }
}

impl Resolve for Names {
    fn resolve(&self, _: Name) -> Resolving {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 {
            answers.pop()
        } else {
            answers.last().cloned()
        };
        Box::pin(async move { Ok(Box::new(answer.unwrap().into_iter()) as Addrs) })
    }
}

async fn fetch(
    settings: FetchSettings,
    names: &Arc<Names>,
    url: &str,
) -> Result<Response, FetchError> {
    let names: Arc<dyn Resolve> = names.clone();
    Fetcher::resolving(&settings, names)
        .unwrap()
        .send(Request::get(url))
        .await
}

/// A server on loopback that answers one request with 204.
async fn canary() -> (u16, impl Future<Output = String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4_096];
        let count = connection.read(&mut request).await.unwrap();
        connection
            .write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        String::from_utf8_lossy(&request[..count]).into_owned()
    };
    (port, served)
}

#[tokio::test]
async fn a_name_with_a_special_address_is_rejected() {
    let refused = Err(FetchError::Refused(Refusal::SpecialAddress));
    for answer in [
        &["127.0.0.1"][..],
        &["10.0.0.1"],
        &["169.254.169.254"],
        &["::1"],
        &["::ffff:127.0.0.1"],
        &["8.8.8.8", "192.168.0.1"],
        &["2606:4700::1111", "fd00::1"],
    ] {
        let names = Names::new(&[answer]);
        let settings = FetchSettings {
            allow_http: true,
            ..FetchSettings::default()
        };
        for url in [
            "https://rebind.example.org/",
            "http://rebind.example.org:8080/",
        ] {
            let outcome = fetch(settings.clone(), &names, url).await.map(|_| ());
            assert_eq!(
                outcome,
                refused.clone().map(|_: Response| ()),
                "{url} at {answer:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_error_does_not_disclose_whether_a_name_has_a_special_address() {
    let nowhere = fetch(
        FetchSettings::default(),
        &Names::new(&[&[]]),
        "https://a.example.org/",
    )
    .await;
    let special = fetch(
        FetchSettings::default(),
        &Names::new(&[&["10.0.0.1"]]),
        "https://a.example.org/",
    )
    .await;
    assert_eq!(
        nowhere.unwrap_err().to_string(),
        special.unwrap_err().to_string()
    );
}

#[tokio::test]
async fn the_checked_address_is_the_used_address() {
    let (port, served) = canary().await;
    let names = Names::new(&[&["127.0.0.1"], &["192.0.2.1"]]);
    let settings = FetchSettings {
        allow_http: true,
        allowed_hosts: vec!["pinned.example.org".parse().unwrap()],
        ..FetchSettings::default()
    };
    let url = format!("http://pinned.example.org:{port}/path?query");
    let (answer, request) = tokio::join!(fetch(settings, &names, &url), served);
    assert_eq!(answer.unwrap().status, 204);
    assert_eq!(names.asked.load(Ordering::SeqCst), 1);
    let request = request.to_ascii_lowercase();
    assert!(
        request.starts_with("get /path?query http/1.1\r\n"),
        "{request}"
    );
    assert!(
        request.contains(&format!("host: pinned.example.org:{port}\r\n")),
        "{request}"
    );
    for never in ["cookie", "authorization", "referer", "accept-encoding"] {
        assert!(!request.contains(&format!("\n{never}:")), "{request}");
    }
}

#[tokio::test]
async fn headers_set_by_the_http_client_cannot_be_sent() {
    let names = Names::new(&[&["8.8.8.8"]]);
    let fetcher = Fetcher::resolving(&FetchSettings::default(), names.clone()).unwrap();
    for (name, value) in [
        ("Host", "b.example"),
        ("transfer-encoding", "chunked"),
        ("x y", "1"),
        ("x", "1\r\ny: 2"),
    ] {
        let headers = vec![(name.to_owned(), value.to_owned())];
        let outcome = fetcher
            .send(Request {
                headers,
                ..Request::get("https://a.example/")
            })
            .await;
        assert_eq!(
            outcome.unwrap_err(),
            FetchError::Refused(Refusal::Header),
            "{name}"
        );
    }
    for method in ["CONNECT", "TRACE", "GET /x HTTP/1.1\r\n"] {
        let outcome = fetcher
            .send(Request {
                method: method.to_owned(),
                ..Request::get("https://a.example/")
            })
            .await;
        assert_eq!(
            outcome.unwrap_err(),
            FetchError::Refused(Refusal::Method),
            "{method}"
        );
    }
    assert_eq!(names.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_request_does_not_show_its_secrets() {
    let headers = vec![("authorization".to_owned(), "Bearer secret".to_owned())];
    let body = Some(b"secret".to_vec());
    let request = Request {
        headers,
        body,
        ..Request::get("https://a.example/x?token=secret")
    };
    assert_eq!(
        format!("{request:?}"),
        r#"Request { method: "", url: "https://a.example/x", .. }"#
    );
}

#[test]
fn a_ca_file_must_have_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let build = || {
        let settings = FetchSettings {
            ca_file: Some(path.clone()),
            ..FetchSettings::default()
        };
        Fetcher::new(&settings).err().unwrap().to_string()
    };
    assert!(build().contains("cannot read"), "{}", build());
    std::fs::write(&path, "nothing").unwrap();
    assert!(
        build().contains("is not a PEM file of certificates"),
        "{}",
        build()
    );
}
