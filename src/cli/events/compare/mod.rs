//! `registrar events compare`: compares the clients of a running server with the list of a system that follows it.
//!
//! Both lists are read in the order of their identifiers and compared like two sorted files, so memory does not grow
//! with the number of clients.

mod difference;
mod list;
mod report;
mod sorted;

use std::collections::{HashSet, VecDeque};
use std::mem;
use std::path::PathBuf;

use clap::Args;
use serde_json::Value;
use tokio::time::Instant;

use super::{READ, RENEWAL, all_consumers, number};
use crate::cli::{
    CommandFailure, OutputForm, Progress, Remote, RemoteArguments, cell, counted, items,
};
use difference::{Abilities, differences};
use list::{ListedClient, OtherList};
use report::{ClientDifference, Report};
use sorted::Sorted;

#[derive(Debug, Args)]
pub(in crate::cli) struct CompareArguments {
    /// The system that follows this server, as target in [[exports]] names it, such as keycloak.
    #[arg(value_name = "TARGET")]
    target: String,
    /// The clients of that system as JSON lines. Default, or -: standard input.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Leave out a client of that system that this server does not know, such as one that was created there by hand.
    /// Can be repeated.
    #[arg(long = "ignore", value_name = "ID")]
    ignored: Vec<String>,
    #[command(flatten)]
    form: OutputForm,
    #[command(flatten)]
    remote: RemoteArguments,
}

/// Compares, as `diff` does: the exit code is 0 if there is no difference, 1 if there is one, and 2 if the lists cannot
/// be compared.
pub(super) async fn compare(arguments: &CompareArguments) -> Result<(), CommandFailure> {
    match compare_lists(arguments).await {
        Err(CommandFailure::Failed(reason)) => Err(CommandFailure::Usage(reason)),
        compared => compared,
    }
}

async fn compare_lists(arguments: &CompareArguments) -> Result<(), CommandFailure> {
    // Before the clients of this server, so that a client that is registered in the meantime is not surplus there.
    let (abilities, theirs) = OtherList::read(arguments.file.as_deref())?.into_parts();
    let ours = OurClients::connect(&arguments.remote).await?;
    let mut comparison = ListComparison {
        target: &arguments.target,
        abilities,
        ignored: arguments.ignored.iter().map(String::as_str).collect(),
        report: Report::new(arguments.form.format),
    };
    let mut pairs = Pairs::new(ours, theirs).await?;
    let mut progress = Progress::new("clients compared");
    while let Some((mine, other)) = pairs.next().await? {
        progress.add(1);
        comparison.compare(mine.as_ref(), other.as_ref())?;
    }
    drop(progress);
    if comparison.report.has_findings() {
        pairs.ours.note_lag().await;
    }
    comparison.report.end()
}

/// Both lists, from which the clients with the same identifier are taken together.
struct Pairs<'a> {
    ours: OurClients<'a>,
    theirs: Sorted,
    /// The next client of each list.
    mine: Option<OurClient>,
    other: Option<ListedClient>,
}

impl<'a> Pairs<'a> {
    async fn new(mut ours: OurClients<'a>, mut theirs: Sorted) -> Result<Self, CommandFailure> {
        Ok(Self {
            mine: ours.next().await?,
            other: theirs.next().transpose()?,
            ours,
            theirs,
        })
    }

    /// Returns the next client, as this server and as the other system has it; none at the end of both lists.
    async fn next(&mut self) -> Result<Option<ClientPair>, CommandFailure> {
        let (is_mine, is_other) = first(self.mine.as_ref(), self.other.as_ref());
        let mut pair = (None, None);
        if is_mine {
            pair.0 = mem::replace(&mut self.mine, self.ours.next().await?);
        }
        if is_other {
            pair.1 = mem::replace(&mut self.other, self.theirs.next().transpose()?);
        }
        Ok((is_mine || is_other).then_some(pair))
    }
}

/// A client as this server and as the other system has it.
type ClientPair = (Option<OurClient>, Option<ListedClient>);

/// Returns which side has the client that comes first by its identifier: this server, the other system, or both.
fn first(mine: Option<&OurClient>, other: Option<&ListedClient>) -> (bool, bool) {
    match (mine, other) {
        (Some(mine), Some(other)) => (mine.id <= other.id, other.id <= mine.id),
        (mine, other) => (mine.is_some(), other.is_some()),
    }
}

/// What is compared with what.
struct ListComparison<'a> {
    target: &'a str,
    abilities: Abilities,
    ignored: HashSet<&'a str>,
    report: Report,
}

impl ListComparison<'_> {
    /// Compares one client, of which at least one side is given.
    fn compare(
        &mut self,
        mine: Option<&OurClient>,
        other: Option<&ListedClient>,
    ) -> Result<(), CommandFailure> {
        let is_ignored =
            other.is_some_and(|other| mine.is_none() && self.ignored.contains(&*other.id));
        let other = other.filter(|_| !is_ignored);
        let due = mine.filter(|mine| self.abilities.can_hold(mine.metadata()));
        self.report.count(due.is_some(), other.is_some());
        match (due, other) {
            (Some(due), Some(other)) => self.compare_members(due, other),
            (Some(due), None) => self.report.add(&due.id, &ClientDifference::Missing),
            (None, Some(other)) => self.report.add(&other.id, &ClientDifference::Surplus),
            (None, None) => Ok(()),
        }
    }

    fn compare_members(
        &mut self,
        due: &OurClient,
        other: &ListedClient,
    ) -> Result<(), CommandFailure> {
        for found in differences(&due.shown, self.target, other, &self.abilities) {
            let found = ClientDifference::Differs(found);
            self.report.add(&due.id, &found)?;
        }
        Ok(())
    }
}

/// The number of clients requested per page. Each has its metadata.
const PAGE: usize = 100;

/// A client of this server.
struct OurClient {
    id: String,
    /// An entry of the list of clients, with `metadata` and `exports`.
    shown: Value,
}

impl OurClient {
    fn metadata(&self) -> &Value {
        self.shown.get("metadata").unwrap_or(&Value::Null)
    }
}

/// The clients of this server, page by page.
struct OurClients<'a> {
    arguments: &'a RemoteArguments,
    remote: Remote,
    renewed: Instant,
    page: VecDeque<Value>,
    after: Option<String>,
    is_last: bool,
    /// The identifier of the last client.
    last: String,
}

impl<'a> OurClients<'a> {
    async fn connect(arguments: &'a RemoteArguments) -> Result<Self, CommandFailure> {
        Ok(Self {
            arguments,
            remote: arguments.connect(&[READ]).await?,
            renewed: Instant::now(),
            page: VecDeque::new(),
            after: None,
            is_last: false,
            last: String::new(),
        })
    }

    /// Returns the next client, in the order of the identifiers. Clients that the operator created are left out, since
    /// other systems do not get them.
    async fn next(&mut self) -> Result<Option<OurClient>, CommandFailure> {
        loop {
            let Some(shown) = self.page.pop_front() else {
                if self.is_last {
                    return Ok(None);
                }
                self.read_page().await?;
                continue;
            };
            let id = cell(shown.get("client_id"));
            if id <= self.last {
                let message = "the server does not list its clients in the order of client_id";
                return Err(CommandFailure::Failed(message.to_owned()));
            }
            self.last.clone_from(&id);
            if shown.get("metadata").is_none() {
                let message = "the server does not show the metadata of clients in lists; update it to this version";
                return Err(CommandFailure::Failed(message.to_owned()));
            }
            if shown.get("trust_level").and_then(Value::as_str) != Some("operator") {
                return Ok(Some(OurClient { id, shown }));
            }
        }
    }

    async fn read_page(&mut self) -> Result<(), CommandFailure> {
        if self.renewed.elapsed() > RENEWAL {
            self.remote = self.arguments.connect(&[READ]).await?;
            self.renewed = Instant::now();
        }
        let mut query = vec![
            ("limit", PAGE.to_string()),
            ("include", "client".to_owned()),
        ];
        query.extend(self.after.take().map(|after| ("after", after)));
        let page = self.remote.get("/admin/v1/clients", &query).await?;
        self.page = items(&page, "clients").to_vec().into();
        self.after = page.get("next").and_then(Value::as_str).map(str::to_owned);
        self.is_last = self.after.is_none();
        Ok(())
    }

    /// Notes for which consumers events are waiting, since they may explain differences.
    async fn note_lag(&self) {
        let Ok(answer) = all_consumers(&self.remote).await else {
            return;
        };
        for consumer in items(&answer, "consumers") {
            let (name, lag) = (cell(consumer.get("name")), number(consumer, "lag"));
            if let Some(lag) = lag.filter(|lag| *lag > 0) {
                let lag = counted(lag, "event");
                note!(
                    "registrar: {lag} not yet delivered to {name}; some differences may disappear"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_client_that_comes_first_is_compared() {
        let mine = |id: &str| {
            Some(OurClient {
                id: id.to_owned(),
                shown: json!({}),
            })
        };
        let other = |id: &str| {
            Some(ListedClient {
                id: id.to_owned(),
                members: serde_json::Map::new(),
            })
        };
        let sides = |ours: Option<OurClient>, theirs: Option<ListedClient>| {
            first(ours.as_ref(), theirs.as_ref())
        };
        assert_eq!(sides(mine("a"), other("b")), (true, false));
        assert_eq!(sides(mine("b"), other("a")), (false, true));
        assert_eq!(sides(mine("a"), other("a")), (true, true));
        assert_eq!(sides(mine("a"), None), (true, false));
        assert_eq!(sides(None, other("a")), (false, true));
    }
}
