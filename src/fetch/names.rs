//! Names that resolve to what a test says. The addresses are checked like those of the system.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// The answers to lookups, by the name that is looked up.
#[derive(Default)]
pub struct FakeNames(Mutex<HashMap<String, VecDeque<Vec<SocketAddr>>>>);

impl FakeNames {
    /// Answers lookups of `host` with each of these lists once, and then with the last one. A port other than 0 is used
    /// for URLs without a port.
    pub fn set(&self, host: &str, answers: impl IntoIterator<Item = Vec<SocketAddr>>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(host.to_owned(), answers.into_iter().collect());
    }

    fn answer(&self, host: &str) -> Option<Vec<SocketAddr>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = all.get_mut(host)?;
        if left.len() > 1 {
            left.pop_front()
        } else {
            left.front().cloned()
        }
    }
}

impl Resolve for FakeNames {
    fn resolve(&self, name: Name) -> Resolving {
        let answer = self.answer(name.as_str());
        Box::pin(async move {
            let addresses = answer.ok_or(io::Error::from(io::ErrorKind::NotFound))?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
