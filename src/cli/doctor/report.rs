//! What was looked at, what was found, and what to do.

use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::{CommandFailure, Format, counted};

/// Whether something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum CheckVerdict {
    /// Nothing is wrong.
    Ok,
    /// The server works, but perhaps not as meant, or not for long.
    Warning,
    /// Something does not work.
    Problem,
    /// It could not be looked at.
    Skipped,
}

impl CheckVerdict {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
            Self::Skipped => "skipped",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct LookedAt {
    subject: String,
    verdict: CheckVerdict,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

/// Everything that was looked at.
#[derive(Debug, Default)]
pub(super) struct DoctorReport(Vec<LookedAt>);

impl DoctorReport {
    /// Adds something that is as it should be.
    pub(super) fn fine(&mut self, subject: &str, found: impl Into<String>) {
        self.add(subject, CheckVerdict::Ok, (found.into(), None));
    }

    /// Adds something that could not be looked at.
    pub(super) fn skipped(&mut self, subject: &str, found: impl Into<String>) {
        self.add(subject, CheckVerdict::Skipped, (found.into(), None));
    }

    /// Adds something that may be wrong, with what to do.
    pub(super) fn warn(&mut self, subject: &str, found: impl Into<String>, advice: &str) {
        self.add(
            subject,
            CheckVerdict::Warning,
            (found.into(), Some(advice.to_owned())),
        );
    }

    /// Adds something that is wrong, with what to do.
    pub(super) fn problem(&mut self, subject: &str, found: impl Into<String>, advice: &str) {
        self.add(
            subject,
            CheckVerdict::Problem,
            (found.into(), Some(advice.to_owned())),
        );
    }

    pub(super) fn add(
        &mut self,
        subject: &str,
        verdict: CheckVerdict,
        (found, advice): (String, Option<String>),
    ) {
        self.0.push(LookedAt {
            subject: subject.to_owned(),
            verdict,
            found,
            advice: advice.filter(|advice| !advice.is_empty()),
        });
    }

    fn count(&self, verdict: CheckVerdict) -> usize {
        let same = |finding: &&LookedAt| finding.verdict == verdict;
        self.0.iter().filter(same).count()
    }

    /// Writes the report. Fails without a message if there is a problem.
    pub(super) fn write(&self, format: Format) -> Result<(), CommandFailure> {
        match format {
            data @ (Format::Json | Format::Yaml) => data.write(&self.json())?,
            Format::Table => self.say(),
        }
        if self.count(CheckVerdict::Problem) > 0 {
            return Err(CommandFailure::Different);
        }
        Ok(())
    }

    fn json(&self) -> Value {
        json!({
            "problems": self.count(CheckVerdict::Problem), "warnings": self.count(CheckVerdict::Warning), "checks": self.0,
        })
    }

    fn say(&self) {
        for finding in &self.0 {
            let verdict = finding.verdict.as_str();
            let mut lines = finding.found.lines();
            let first = lines.next().unwrap_or_default();
            say!("{verdict:<8}  {:<13}  {first}", finding.subject);
            for line in lines {
                say!("{:25}{line}", "");
            }
            if let Some(advice) = &finding.advice {
                say!("{:25}What to do: {advice}", "");
            }
        }
        say!("");
        say!(
            "{}, {}, {} not checked",
            counted(self.count(CheckVerdict::Problem), "problem"),
            counted(self.count(CheckVerdict::Warning), "warning"),
            self.count(CheckVerdict::Skipped)
        );
    }
}
