//! A proxy between a server and PostgreSQL that simulates a database that only speaks its protocol.
//! It rewrites the statements of a client, not the answers. A statement that the dialect does not
//! support becomes one that PostgreSQL rejects with the same code, so the state of transactions and
//! the order of answers are those of a real database.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::database::Database;

/// Counts over all connections.
#[derive(Default)]
struct Seen {
    listens: AtomicUsize,
    looks: AtomicUsize,
    commits: AtomicUsize,
    /// The number of commits that fail next.
    impossible: AtomicUsize,
}

impl Seen {
    /// Returns whether the requested commit fails: every third one does, and those set by
    /// [`Proxy::refuse_commits`].
    fn is_impossible(&self) -> bool {
        let less = |left: usize| left.checked_sub(1);
        let is_third = self
            .commits
            .fetch_add(1, Ordering::SeqCst)
            .is_multiple_of(3);
        self.impossible
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less)
            .is_ok()
            || is_third
    }
}

/// A database of another dialect that runs as long as the process.
pub(crate) struct Proxy {
    seen: Arc<Seen>,
}

impl Proxy {
    /// Starts a proxy in front of `database` and changes the URL of `database` to it.
    pub(crate) fn before(database: &mut Database) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let here = listener.local_addr().expect("an address").to_string();
        let (_, rest) = database.url.split_once('@').expect("a user");
        let there = rest.split('/').next().expect("a host").to_owned();
        // Encrypted messages cannot be rewritten.
        let serializable = "%20-cdefault_transaction_isolation%3Dserializable&sslmode=disable";
        database.url = format!("{}{serializable}", database.url.replace(&there, &here));
        let seen = Arc::new(Seen::default());
        let of_all = Arc::clone(&seen);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(&there)) else {
                    continue;
                };
                serve(client, server, &of_all);
            }
        });
        Self { seen }
    }

    /// Returns how often a server sent LISTEN.
    pub(crate) fn listens(&self) -> usize {
        self.seen.listens.load(Ordering::SeqCst)
    }

    /// Returns how often a whole range was read, which is polling for changes.
    pub(crate) fn looks(&self) -> usize {
        self.seen.looks.load(Ordering::SeqCst)
    }

    /// Makes the next `number` commits fail.
    pub(crate) fn refuse_commits(&self, number: usize) {
        self.seen.impossible.store(number, Ordering::SeqCst);
    }

    /// Returns the number of requested commits.
    pub(crate) fn commits(&self) -> usize {
        self.seen.commits.load(Ordering::SeqCst)
    }
}

/// Forwards messages in both directions until one side closes.
fn serve(client: TcpStream, server: TcpStream, seen: &Arc<Seen>) {
    for socket in [&client, &server] {
        socket.set_nodelay(true).expect("a socket");
    }
    let copies = (
        client.try_clone().expect("a socket"),
        server.try_clone().expect("a socket"),
    );
    std::thread::spawn(move || {
        let (mut client, mut server) = copies;
        // How a connection ends does not matter here.
        let _ = std::io::copy(&mut server, &mut client);
        let _ = client.shutdown(Shutdown::Both);
    });
    let seen = Arc::clone(seen);
    std::thread::spawn(move || {
        let mut session = Session {
            seen,
            in_transaction: false,
            looks: HashSet::new(),
        };
        let _ = session.carry(client, &server);
        let _ = server.shutdown(Shutdown::Both);
    });
}

/// The state of one connection.
struct Session {
    seen: Arc<Seen>,
    in_transaction: bool,
    /// Prepared statements that poll for changes.
    looks: HashSet<Vec<u8>>,
}

impl Session {
    /// Rewrites messages and forwards them to the server.
    fn carry(&mut self, mut client: TcpStream, mut server: &TcpStream) -> std::io::Result<()> {
        let start = body(&mut client)?;
        server.write_all(&framed(None, &start))?;
        loop {
            let mut kind = [0];
            client.read_exact(&mut kind)?;
            let message = body(&mut client)?;
            let rewritten = match kind {
                [b'Q'] => self.query(&message),
                [b'P'] => self.parse(&message),
                [b'B'] => {
                    let name = message.split(|byte| *byte == 0).nth(1);
                    if name.is_some_and(|name| self.looks.contains(name)) {
                        self.seen.looks.fetch_add(1, Ordering::SeqCst);
                    }
                    message
                }
                _ => message,
            };
            server.write_all(&framed(Some(kind), &rewritten))?;
        }
    }

    /// Rewrites a simple query.
    fn query(&mut self, message: &[u8]) -> Vec<u8> {
        let text =
            String::from_utf8(message.strip_suffix(&[0]).expect("an end").to_vec()).expect("text");
        [self.rewrite(&text).as_bytes(), &[0]].concat()
    }

    /// Rewrites a prepared statement: its name, its text, the types of its parameters.
    fn parse(&mut self, message: &[u8]) -> Vec<u8> {
        let mut parts = message.splitn(3, |byte| *byte == 0);
        let mut part = || parts.next().expect("a part").to_vec();
        let (name, text, types) = (part(), String::from_utf8(part()).expect("text"), part());
        if text.starts_with("SELECT key, value") && text.ends_with("ORDER BY key") {
            self.looks.insert(name.clone());
        }
        [
            name.as_slice(),
            &[0],
            self.rewrite(&text).as_bytes(),
            &[0],
            &types,
        ]
        .concat()
    }

    /// Returns the statement that PostgreSQL gets.
    fn rewrite(&mut self, text: &str) -> String {
        let was_in_transaction = self.in_transaction;
        self.in_transaction |= text.starts_with("BEGIN");
        self.in_transaction &= !["COMMIT", "ROLLBACK"].contains(&text);
        match text {
            _ if ["LISTEN", "UNLISTEN", "NOTIFY"]
                .iter()
                .any(|word| text.starts_with(word)) =>
            {
                self.seen.listens.fetch_add(1, Ordering::SeqCst);
                refusal("42601", "at or near here: syntax error")
            }
            _ if text.starts_with("CREATE TABLE") && was_in_transaction => {
                refusal("0A000", "no schema changes in a transaction")
            }
            _ if text.contains("pg_advisory_lock") => refusal("42883", "unknown function"),
            // Settings that are unknown or have only one permitted value.
            _ if text.contains("SET lock_timeout") => {
                refusal("22023", "no such value of the setting")
            }
            _ if text.starts_with("SHOW synchronous_commit") => "SHOW no_such_setting".to_owned(),
            "COMMIT" if self.seen.is_impossible() => {
                format!("ROLLBACK; {}", refusal("40001", "restart transaction"))
            }
            _ => text
                .replace("integer", "bigint")
                .replace("READ COMMITTED", "SERIALIZABLE"),
        }
    }
}

/// Returns a statement that PostgreSQL rejects with `code`.
fn refusal(code: &str, why: &str) -> String {
    format!("DO $$ BEGIN RAISE EXCEPTION '{why}' USING ERRCODE = '{code}'; END $$")
}

/// Reads the body of a message after its type and its length.
fn body(from: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_be_bytes(length)).expect("a length");
    let mut body = vec![0; length.saturating_sub(4)];
    from.read_exact(&mut body)?;
    Ok(body)
}

/// Encodes a message.
fn framed(kind: Option<[u8; 1]>, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4)
        .expect("a length")
        .to_be_bytes();
    [
        kind.as_ref().map_or(&[][..], |kind| &kind[..]),
        &length,
        body,
    ]
    .concat()
}
