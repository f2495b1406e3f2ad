//! Shutdown: open requests finish, and no new connection waits for an answer that never arrives.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::process::{Registrar, until};

#[tokio::test]
async fn an_open_request_finishes_while_new_connections_are_rejected() {
    let mut registrar = Registrar::start();
    let body = r#"{"redirect_uris": ["https://client.example.org/cb"]}"#;
    let (first, second) = body.split_at(20);
    let mut open = TcpStream::connect(registrar.host()).unwrap();
    let head = format!(
        "Host: test\r\nContent-Type: application/json\r\nContent-Length: {}",
        body.len()
    );
    // 100 Continue shows that the request is being read.
    write!(
        open,
        "POST /register HTTP/1.1\r\n{head}\r\nExpect: 100-continue\r\n\r\n"
    )
    .unwrap();
    let mut start = [0; 25];
    open.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 100 Continue\r\n\r\n");
    write!(open, "{first}").unwrap();

    registrar.signal("-TERM");
    let host = registrar.host().to_owned();
    until(async || TcpStream::connect(&host).is_err()).await;
    write!(open, "{second}").unwrap();
    let mut answer = String::new();
    open.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 Created"), "{answer}");
    assert!(registrar.ended().success());
}
