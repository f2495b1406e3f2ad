//! Formats a log line as a JSON object.
//!
//! The format of the library parses the members of a span as JSON for each line and for each member that is
//! recorded later: an eighth of the cost of a GET. Here the members are kept in their serialised form, and a line is
//! written as a whole: each part would go through two more layers.

use std::fmt::{self, Write as _};

use memchr::memmem;
use serde::de::IgnoredAny;
use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use crate::telemetry::logs::AUDIT;

/// The usual maximum length of a line, in bytes. A buffer of this capacity is not moved while it grows.
const ORDINARY: usize = 768;

/// An event with its time, level and target, and the innermost span that it is in.
pub(super) struct Line;

impl<S> FormatEvent<S, JsonFields> for Line
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::with_capacity(ORDINARY);
        line.push_str("{\"timestamp\":\"");
        SystemTime.format_time(&mut Writer::new(&mut line))?;
        line.push_str("\",\"level\":\"");
        line.push_str(event.metadata().level().as_str());
        line.push('"');
        if event.metadata().target() == AUDIT {
            event.record(&mut ObjectVisitor(&mut line));
        } else {
            event.record(&mut Visitor::behind(0, &mut line));
        }
        text_member(&mut line, "target", event.metadata().target());
        write_span(context, &mut line, event);
        line.push_str("}\n");
        writer.write_str(&line)
    }
}

/// Writes the innermost span that `event` is in.
fn write_span<S>(context: &FmtContext<'_, S, JsonFields>, line: &mut String, event: &Event<'_>)
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let span = event
        .parent()
        .and_then(|id| context.span(id))
        .or_else(|| context.lookup_current());
    let Some(span) = span else { return };
    line.push_str(",\"span\":{\"name\":");
    text(line, span.name());
    if let Some(members) = span.extensions().get::<FormattedFields<JsonFields>>() {
        line.push_str(members);
    }
    line.push('}');
}

/// Fields as members of a JSON object, each with a comma before it, so that more of them can be appended.
pub(super) struct JsonFields;

impl<'writer> FormatFields<'writer> for JsonFields {
    fn format_fields<R: RecordFields>(
        &self,
        mut writer: Writer<'writer>,
        fields: R,
    ) -> fmt::Result {
        let mut members = String::with_capacity(ORDINARY);
        fields.record(&mut Visitor::behind(0, &mut members));
        writer.write_str(&members)
    }

    fn add_fields(
        &self,
        current: &'writer mut FormattedFields<Self>,
        fields: &Record<'_>,
    ) -> fmt::Result {
        let before = current.fields.len();
        fields.record(&mut Visitor::behind(before, &mut current.fields));
        Ok(())
    }
}

/// Writes each field that it sees.
struct Visitor<'line> {
    line: &'line mut String,
    /// The length of the members that were written earlier.
    before: usize,
}

impl<'line> Visitor<'line> {
    /// Writes members behind the first `before` bytes of `line`, which are members that were written earlier.
    const fn behind(before: usize, line: &'line mut String) -> Self {
        Self { line, before }
    }

    /// Writes a number or a Boolean value.
    fn member(&mut self, field: &Field, value: impl fmt::Display) {
        if let Some(name) = self.free_name(field) {
            begin_member(self.line, name);
            // Nothing fails: it is written to memory.
            let _ = write!(self.line, "{value}");
        }
    }

    /// Returns the name of `field`; none if it is written already.
    ///
    /// JSON readers disagree about duplicate members. A quotation mark inside a value is always escaped, so a value
    /// cannot be mistaken for a member.
    fn free_name(&self, field: &Field) -> Option<&'static str> {
        let name = field.name();
        let name = name.strip_prefix("r#").unwrap_or(name);
        let before = self.line.as_bytes().get(..self.before)?;
        if before.is_empty() {
            return Some(name);
        }
        let member = [",\"", name, "\":"].concat();
        memmem::find(before, member.as_bytes())
            .is_none()
            .then_some(name)
    }
}

impl Visit for Visitor<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // Not a number is null.
        if value.is_finite() {
            self.member(field, value);
        } else {
            self.member(field, "null");
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if let Some(name) = self.free_name(field) {
            text_member(self.line, name, value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if let Some(name) = self.free_name(field) {
            debug_member(self.line, name, value);
        }
    }
}

/// Writes texts that are JSON objects as objects, and nothing else: other readers of the log need not parse JSON in JSON.
struct ObjectVisitor<'line>(&'line mut String);

impl Visit for ObjectVisitor<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if serde_json::from_str::<IgnoredAny>(value).is_ok() {
            begin_member(self.0, field.name());
            self.0.push_str(value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        debug_member(self.0, field.name(), value);
    }
}

fn text_member(line: &mut String, name: &str, value: &str) {
    begin_member(line, name);
    text(line, value);
}

fn begin_member(line: &mut String, name: &str) {
    line.push_str(",\"");
    line.push_str(name);
    line.push_str("\":");
}

/// Writes a member with the text of `value`, or with the beginning of it if `value` cannot be written.
fn debug_member(line: &mut String, name: &str, value: &dyn fmt::Debug) {
    begin_member(line, name);
    line.push('"');
    let _ = write!(Escaped(line), "{value:?}");
    line.push('"');
}

/// Writes a JSON string.
fn text(line: &mut String, value: &str) {
    line.push('"');
    Escaped(line).push_str(value);
    line.push('"');
}

/// Writes parts of a JSON string. Most need no escapes.
struct Escaped<'line>(&'line mut String);

impl Escaped<'_> {
    fn push_str(&mut self, part: &str) {
        let is_plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
        // Every byte, whatever the ones before it are: the compiler checks many of them at once.
        if part.bytes().fold(true, |all, byte| all & is_plain(byte)) {
            self.0.push_str(part);
            return;
        }
        let string = serde_json::to_string(part).unwrap_or_default();
        let escaped = string.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
        self.0.push_str(escaped.unwrap_or_default());
    }
}

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.push_str(part);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};
    use tracing::field::Empty;
    use tracing_subscriber::fmt::Layer;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Returns the lines that `work` logs, without their timestamps.
    fn lines(work: impl FnOnce()) -> Vec<Value> {
        let written = Written::default();
        let writer = written.clone();
        let layer = Layer::new()
            .fmt_fields(JsonFields)
            .event_format(Line)
            .with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let lines = text.lines().map(|line| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            let time = line.as_object_mut().unwrap().remove("timestamp").unwrap();
            time.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
            line
        });
        lines.collect()
    }

    #[test]
    fn a_line_is_an_object_with_the_members_of_its_event() {
        let found = lines(|| {
            let error = io::Error::other("no \u{1} \"room\"");
            let none = None::<u64>;
            tracing::warn!(
                r#type = "a\"b\\c\n",
                many = 3_u64,
                few = -1,
                part = f64::NAN,
                is = true,
                none
            );
            tracing::error!(error = &error as &dyn std::error::Error, address = %"::1", "it is {}", 'ü');
        });
        let target = module_path!();
        let first = json!({
            "level": "WARN", "type": "a\"b\\c\n", "many": 3, "few": -1, "part": null, "is": true, "target": target,
        });
        let second = json!({
            "level": "ERROR", "message": "it is ü", "error": "no \u{1} \"room\"", "address": "::1", "target": target,
        });
        assert_eq!(found, [first, second]);
    }

    #[test]
    fn an_event_of_the_audit_log_is_an_object_in_its_line() {
        let found = lines(|| {
            tracing::info!(target: AUDIT, event = r#"{"position":1,"details":{"a":["b"]}}"#, "audit event");
            tracing::info!(target: AUDIT, event = "{", "audit event");
        });
        let line = |event: Value| {
            let mut line = json!({"level": "INFO", "message": "audit event", "target": AUDIT});
            if !event.is_null() {
                line["event"] = event;
            }
            line
        };
        let whole = line(json!({"position": 1, "details": {"a": ["b"]}}));
        assert_eq!(found, [whole, line(Value::Null)]);
    }

    #[test]
    fn a_line_has_the_values_recorded_in_its_span() {
        let found = lines(|| {
            let outer = tracing::info_span!("outer", number = 1);
            let _outer = outer.enter();
            let span = tracing::info_span!(
                "inner",
                one = display(",\"two\":"),
                two = Empty,
                three = Empty
            );
            let _inner = span.enter();
            tracing::info!("first");
            span.record("two", "\"");
            span.record("three", 3);
            span.record("three", 4);
            tracing::info!(parent: &outer, "second");
            tracing::info!("third");
        });
        let spans = found.iter().map(|line| &line["span"]);
        let all = json!({"name": "inner", "one": ",\"two\":", "two": "\"", "three": 3});
        let expected = [
            &json!({"name": "inner", "one": ",\"two\":"}),
            &json!({"name": "outer", "number": 1}),
            &all,
        ];
        assert!(spans.eq(expected), "{found:?}");
    }
}
