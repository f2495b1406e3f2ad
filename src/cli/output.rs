//! Results on standard output, messages on standard error: tables for people, JSON for programs.
//!
//! The reader may close them at any time, as `head -1` does. That is not a failure, and must not panic, as
//! `println!` and `eprintln!` would. [`say!`] and [`note!`] replace them.

use std::fmt::Arguments;
use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use crate::cli::{CommandFailure, moment};

/// `println!` that does not panic when the reader has closed the output.
macro_rules! say {
    ($($text:tt)*) => { crate::cli::output::say(format_args!($($text)*)) };
}

/// `eprintln!` that does not panic when the reader has closed the output.
macro_rules! note {
    ($($text:tt)*) => { crate::cli::output::note(format_args!($($text)*)) };
}

/// Why a part of the result could not be written, other than by a closed output.
static LOST: OnceLock<String> = OnceLock::new();

/// Writes a line of the result. A closed output is not a failure; [`lost`] reports any other error.
pub(super) fn say(text: Arguments<'_>) {
    match writeln!(io::stdout().lock(), "{text}").map_err(CommandFailure::from) {
        Ok(()) | Err(CommandFailure::ReaderGone | CommandFailure::Different) => {}
        Err(CommandFailure::Failed(reason) | CommandFailure::Usage(reason)) => {
            drop(LOST.set(reason));
        }
    }
}

/// Writes a message to standard error. An error is ignored, since it cannot be reported anywhere.
pub(super) fn note(text: Arguments<'_>) {
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// Returns a failure if a line of the result could not be written, for example on a full disk.
pub(super) fn lost() -> Result<(), CommandFailure> {
    match LOST.get() {
        Some(reason) => Err(CommandFailure::Failed(reason.clone())),
        None => Ok(()),
    }
}

#[derive(Debug, Args)]
pub(super) struct OutputForm {
    /// The format of the result.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Table)]
    pub(super) format: Format,
}

/// The form of a result that is always data.
#[derive(Debug, Args)]
pub(super) struct DataForm {
    /// The format of the result.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = DataFormat::Json)]
    format: DataFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DataFormat {
    /// JSON for programs.
    Json,
    /// YAML for programs and people.
    Yaml,
}

impl DataForm {
    /// Writes `value` as the result.
    pub(super) fn write(&self, value: &Value) -> Result<(), CommandFailure> {
        match self.format {
            DataFormat::Json => Format::Json.write(value),
            DataFormat::Yaml => Format::Yaml.write(value),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A table, or text, for people.
    #[value(alias = "text")]
    Table,
    /// JSON for programs.
    Json,
    /// YAML for programs and people.
    Yaml,
}

impl Format {
    /// Whether the result is written whole and as data, for programs.
    pub(super) const fn is_data(self) -> bool {
        matches!(self, Self::Json | Self::Yaml)
    }

    /// Returns the line between two results.
    pub(super) const fn separator(self) -> &'static str {
        match self {
            Self::Table | Self::Json => "",
            Self::Yaml => "---",
        }
    }

    /// Writes `value` as data.
    pub(super) fn write(self, value: &Value) -> Result<(), CommandFailure> {
        match self {
            Self::Table | Self::Json => write_json(value),
            Self::Yaml => write_text(&yaml(value)?),
        }
    }

    /// Writes `value` as one of many that are written as they arrive: a line of JSON, or an item of a YAML sequence.
    pub(super) fn write_item(self, value: &Value) -> Result<(), CommandFailure> {
        match self {
            Self::Table | Self::Json => write_line(&value.to_string()),
            Self::Yaml => write_text(&yaml(&Value::Array(vec![value.clone()]))?),
        }
    }
}

/// Returns `value` as YAML. Texts stay on one line, unless they have several.
fn yaml(value: &Value) -> Result<String, String> {
    let mut options = serde_saphyr::SerializerOptions::default();
    options.folded_wrap_chars = usize::MAX;
    serde_saphyr::to_string_with_options(value, options)
        .map_err(|error| format!("the result cannot be written as YAML: {error}"))
}

/// Writes a part of the result that has its line breaks.
pub(super) fn write_text(text: &str) -> Result<(), CommandFailure> {
    let end = if text.ends_with('\n') { "" } else { "\n" };
    Ok(write!(io::stdout().lock(), "{text}{end}")?)
}

/// Writes one line of the result.
pub(super) fn write_line(text: &str) -> Result<(), CommandFailure> {
    Ok(writeln!(io::stdout().lock(), "{text}")?)
}

/// Writes `value` as the result.
fn write_json(value: &Value) -> Result<(), CommandFailure> {
    write_line(&format!("{value:#}"))
}

/// The maximum width of a column. A wider cell moves only the cells after it in its own row.
const WIDEST: usize = 72;

/// Rows under a heading. Columns only grow, so that rows can be written as they arrive.
pub(super) struct Table<const N: usize> {
    heading: Option<[&'static str; N]>,
    widths: [usize; N],
}

impl<const N: usize> Table<N> {
    pub(super) fn new(heading: [&'static str; N]) -> Self {
        Self {
            heading: Some(heading),
            widths: heading.map(str::len),
        }
    }

    /// Writes `rows`, preceded by the heading the first time.
    pub(super) fn rows(&mut self, rows: Vec<[String; N]>) -> Result<(), CommandFailure> {
        let mut tamed = Vec::new();
        for row in rows {
            let row = row.map(|cell| tame(&cell));
            for (width, cell) in self.widths.iter_mut().zip(&row) {
                *width = (*width).max(cell.width().min(WIDEST));
            }
            tamed.push(row);
        }
        let mut out = io::stdout().lock();
        if let Some(heading) = self.heading.take() {
            writeln!(out, "{}", self.aligned(&heading.map(str::to_owned)))?;
        }
        for row in &tamed {
            writeln!(out, "{}", self.aligned(row))?;
        }
        Ok(out.flush()?)
    }

    fn aligned(&self, row: &[String; N]) -> String {
        let mut text = String::new();
        for (cell, width) in row.iter().zip(self.widths) {
            text.push_str(cell);
            text.push_str(&" ".repeat(width.saturating_sub(cell.width()) + 2));
        }
        text.trim_end().to_owned()
    }
}

/// Writes the members of `value` as a table. The members in `times` are in seconds since 1970.
pub(super) fn member_table(value: &Value, times: &[&str]) -> Result<(), CommandFailure> {
    let mut rows = members(value);
    for [name, text] in &mut rows {
        if times.contains(&name.as_str()) {
            *text = moment::shown(value.get(name.as_str()));
        }
    }
    Table::new(["MEMBER", "VALUE"]).rows(rows)
}

/// Returns the members of `value`, one per row. Members of nested objects have dotted names.
fn members(value: &Value) -> Vec<[String; 2]> {
    let mut rows = Vec::new();
    add_members(value, "", &mut rows);
    rows
}

fn add_members(value: &Value, name: &str, rows: &mut Vec<[String; 2]>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (member, value) in members {
                let name = if name.is_empty() {
                    member.clone()
                } else {
                    format!("{name}.{member}")
                };
                add_members(value, &name, rows);
            }
        }
        other => rows.push([name.to_owned(), cell(Some(other))]),
    }
}

/// Returns the items of the array `name` in a response.
pub(super) fn items<'a>(response: &'a Value, name: &str) -> &'a [Value] {
    match response.get(name) {
        Some(Value::Array(items)) => items,
        _ => &[],
    }
}

/// Returns `count` and `thing`, with an s for the plural.
pub(super) fn counted(count: impl TryInto<u64>, thing: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// Formats a value for a table.
pub(super) fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) if items.iter().all(Value::is_string) => {
            let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            texts.join(", ")
        }
        Some(other) => other.to_string(),
    }
}

/// Replaces the characters of `text` that could move the cursor of a terminal or reverse the writing
/// direction: strangers choose the names of clients.
fn tame(text: &str) -> String {
    let is_wild = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    text.chars()
        .map(|c| if is_wild(c) { '\u{fffd}' } else { c })
        .collect()
}

/// The minimum interval between two updates of the line.
const PAUSE: Duration = Duration::from_millis(200);

/// The progress of long-running work, as one line on standard error, if that is a terminal.
pub(super) struct Progress {
    what: &'static str,
    done: u64,
    /// When the line was last written; `None` if standard error is not a terminal.
    shown: Option<Instant>,
}

impl Progress {
    pub(super) fn new(what: &'static str) -> Self {
        let shown = io::stderr().is_terminal().then(Instant::now);
        Self {
            what,
            done: 0,
            shown,
        }
    }

    /// Adds `more` finished items.
    pub(super) fn add(&mut self, more: u64) {
        self.done = self.done.saturating_add(more);
        if self.shown.is_some_and(|shown| shown.elapsed() >= PAUSE) {
            self.shown = Some(Instant::now());
            show_progress(&format!("\r{} {}", self.done, self.what));
        }
    }
}

fn show_progress(text: &str) {
    // A failure to show the progress is not worth a message.
    let mut out = io::stderr().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

impl Drop for Progress {
    /// Clears the line, so that the next message starts at its beginning.
    fn drop(&mut self) {
        if self.shown.is_some() {
            show_progress("\r\u{1b}[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_the_visible_text() {
        let mut table = Table::new(["A", "B"]);
        table.widths = [4, 1];
        assert_eq!(
            table.aligned(&["日本".to_owned(), "x".to_owned()]),
            "日本  x"
        );
        assert_eq!(table.aligned(&["a".to_owned(), String::new()]), "a");
    }

    #[test]
    fn yaml_has_the_same_values_as_json() {
        let long = "x ".repeat(100);
        let value = json!({
            "name": "no", "number": "1", "count": 1, "is": true, "none": null, "empty": [], "list": [{"a": "b"}],
            "lines": "first\nsecond\n", "long": long, "odd": "a: #b", "escape": "\u{1b}[2J",
        });
        let text = yaml(&value).unwrap();
        let expected = [
            "name: \"no\"",
            "number: \"1\"",
            "count: 1",
            "is: true",
            "none: null",
            "empty: []",
            "list:",
            "- a: b",
        ];
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..expected.len()], expected, "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        assert!(
            lines.iter().any(|line| line.contains(long.trim_end())),
            "{text}"
        );
    }

    #[test]
    fn counts_have_singular_and_plural() {
        assert_eq!(
            [0_u64, 1, 2].map(|count| counted(count, "script")),
            ["0 scripts", "1 script", "2 scripts"]
        );
        assert_eq!(counted(1_usize, "client"), "1 client");
    }

    #[test]
    fn a_name_cannot_control_the_terminal() {
        assert_eq!(
            tame("a\u{1b}[2Jb\nc\u{202e}d"),
            "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d"
        );
    }

    #[test]
    fn members_have_dotted_names() {
        let rows = members(&json!({"a": 1, "b": {"c": ["x", "y"], "d": {}}, "e": "f"}));
        let expected = [["a", "1"], ["b.c", "x, y"], ["b.d", "{}"], ["e", "f"]];
        assert_eq!(rows, expected.map(|row| row.map(str::to_owned)));
    }
}
