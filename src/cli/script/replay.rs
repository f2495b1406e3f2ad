//! `registrar script replay`: what other scripts would have decided about recorded requests.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::candidate::write_differences;
use super::versions::read_folder;
use crate::cli::{
    Call, CommandFailure, Format, Needs, OutputForm, RemoteArguments, items, write_line,
};

/// The path in the admin API.
const REPLAY: &str = "/admin/v1/scripts/replay";

const TRY: Needs = |scopes| &scopes.scripts_try;

#[derive(Debug, Args)]
pub(in crate::cli) struct ScriptReplayArguments {
    /// The folder of the other scripts.
    #[arg(long, value_name = "DIR")]
    scripts: PathBuf,
    /// Whether scripts may send GET requests.
    #[arg(long, value_name = "MODE", value_enum, default_value_t = ReplayHttp::Refuse)]
    http: ReplayHttp,
    #[command(flatten)]
    form: OutputForm,
    #[command(flatten)]
    remote: RemoteArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ReplayHttp {
    /// Each call of http fails.
    Refuse,
    /// GET requests are sent.
    Live,
}

/// What the pages of a replay have shown.
#[derive(Default)]
struct ShownReplay {
    judged: u64,
    skipped: u64,
    differences: Vec<Value>,
}

impl ShownReplay {
    /// Adds a page. Returns where the next one starts, if there is one.
    fn add(&mut self, page: &Value) -> Option<u64> {
        let count = |name: &str| page.get(name).and_then(Value::as_u64);
        self.judged += count("judged").unwrap_or_default();
        self.skipped += count("skipped").unwrap_or_default();
        self.differences
            .extend_from_slice(items(page, "differences"));
        count("next")
    }
}

pub(super) async fn run(arguments: &ScriptReplayArguments) -> Result<(), CommandFailure> {
    let files = read_folder(&arguments.scripts)?;
    let remote = arguments.remote.connect(&[TRY]).await?;
    let (mut replayed, mut after) = (ShownReplay::default(), Some(0));
    while let Some(position) = after {
        let http = arguments.http == ReplayHttp::Live;
        let body = json!({"files": files, "after": position, "http": http});
        let call = Call {
            method: "POST",
            path: REPLAY,
            body: Some(("application/json", body.to_string().into_bytes())),
            ..Call::default()
        };
        after = replayed.add(&remote.call(call).await?);
    }
    write(&replayed, arguments.form.format)
}

fn write(replayed: &ShownReplay, format: Format) -> Result<(), CommandFailure> {
    let ShownReplay {
        judged,
        skipped,
        differences,
    } = replayed;
    if format.is_data() {
        return format.write(&json!({
            "judged": judged, "skipped": skipped, "differences": differences,
        }));
    }
    write_differences(differences)?;
    write_line(&format!(
        "{judged} requests judged, {} would be answered differently, {skipped} skipped",
        differences.len()
    ))
}
