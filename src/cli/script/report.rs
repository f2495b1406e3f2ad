//! What `registrar script test` reports besides the tests: the lines that ran, and the operations of each function.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::script::testing::{FileCoverage, FunctionProfile, Profile, Suite};

/// The maximum number of functions in a profile.
const FUNCTIONS: usize = 30;

#[derive(Debug, Args)]
pub(in crate::cli) struct ReportArguments {
    /// Show which lines of each script and library ran while the tests ran.
    #[arg(long)]
    coverage: bool,
    /// Write the same to a file in the LCOV format, which editors and other programs show.
    #[arg(long, value_name = "FILE")]
    coverage_file: Option<PathBuf>,
    /// Show the operations of each function of the scripts and libraries.
    #[arg(long)]
    profile: bool,
}

impl ReportArguments {
    /// Lets `suite` record what the reports show.
    pub(super) fn prepare(&self, suite: &mut Suite) {
        if self.coverage || self.coverage_file.is_some() || self.profile {
            suite.record();
        }
    }

    /// Writes the reports as TAP comments, and the file. `folder` is the folder of the scripts.
    pub(super) fn write(&self, suite: &Suite, folder: &Path) -> Result<(), String> {
        if self.profile {
            write_profile(&suite.profile());
        }
        if !self.coverage && self.coverage_file.is_none() {
            return Ok(());
        }
        let coverage = suite.coverage();
        if self.coverage {
            write_coverage(&coverage);
        }
        let Some(file) = &self.coverage_file else {
            return Ok(());
        };
        fs::write(file, lcov(&coverage, folder))
            .map_err(|error| format!("{} cannot be written: {error}", file.display()))
    }
}

fn write_coverage(coverage: &[FileCoverage]) {
    let mut width = "# COVERAGE".len();
    for of_file in coverage {
        width = width.max(of_file.file.len() + 2);
    }
    say!("{:width$}  LINES  COVERED        %  NOT RUN", "# COVERAGE");
    let (mut lines, mut covered) = (0, 0);
    for of_file in coverage {
        lines += of_file.lines.len();
        covered += of_file.covered();
        let file = format!("# {}", of_file.file);
        write_file(
            &file,
            width,
            of_file.lines.len(),
            of_file.covered(),
            &missed(of_file),
        );
    }
    write_file("# total", width, lines, covered, "");
}

fn write_file(name: &str, width: usize, lines: usize, covered: usize, missed: &str) {
    let percent = percent(covered, lines);
    let line = format!("{name:width$}  {lines:>5}  {covered:>7}  {percent:>7}  {missed}");
    say!("{}", line.trim_end());
}

/// Returns `part` in percent of `whole`, rounded down, so that 100 means all.
fn percent(part: usize, whole: usize) -> String {
    match (part * 1_000).checked_div(whole) {
        Some(tenths) => format!("{}.{}", tenths / 10, tenths % 10),
        None => "-".to_owned(),
    }
}

/// Formats the lines that did not run, as in `4, 7-9`.
fn missed(coverage: &FileCoverage) -> String {
    let mut ranges = Vec::new();
    for range in coverage.missed() {
        let (first, last) = (range.start(), range.end());
        ranges.push(if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        });
    }
    ranges.join(", ")
}

fn write_profile(profile: &Profile) {
    say!("# PROFILE      OWN      TOTAL    CALLS  MICROSECONDS  FUNCTION");
    for function in profile.functions.iter().take(FUNCTIONS) {
        let FunctionProfile {
            own,
            total,
            calls,
            time,
            ..
        } = function;
        let (time, name) = (time.as_micros(), name(function));
        say!("# {own:>14} {total:>10} {calls:>8} {time:>13}  {name}");
    }
    let more = profile.functions.len().saturating_sub(FUNCTIONS);
    if more > 0 {
        say!("# and {more} functions with fewer operations");
    }
    for (name, calls) in &profile.host_calls {
        say!("# {:>14} {:>10} {calls:>8} {:>13}  {name}", "-", "-", "-");
    }
}

/// Returns the name and the position of a function, as in `createClient (10-a.rhai:3)`.
fn name(function: &FunctionProfile) -> String {
    let file = &function.file;
    match (&function.name, function.line) {
        (Some(name), Some(line)) => format!("{name} ({file}:{line})"),
        (None, Some(line)) => format!("closure ({file}:{line})"),
        (_, None) => format!("top level ({file})"),
    }
}

/// Formats the coverage in the LCOV format, which `geninfo(1)` describes.
fn lcov(coverage: &[FileCoverage], folder: &Path) -> String {
    let mut text = String::new();
    for of_file in coverage {
        // Writing to a `String` does not fail.
        let _ = write_record(&mut text, of_file, folder);
    }
    text
}

fn write_record(text: &mut String, coverage: &FileCoverage, folder: &Path) -> std::fmt::Result {
    writeln!(text, "TN:\nSF:{}", folder.join(&coverage.file).display())?;
    for (line, times) in &coverage.lines {
        writeln!(text, "DA:{line},{times}")?;
    }
    let (found, hit) = (coverage.lines.len(), coverage.covered());
    writeln!(text, "LF:{found}\nLH:{hit}\nend_of_record")
}
