//! How a log line looks to programs: one flat JSON object, and in no form with a mail address or a password in it.

use std::{
    borrow::Cow,
    fmt,
    io::{self, Write},
};

use chrono::{SecondsFormat, Utc};
use serde_json::{Map, Value};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormattedFields, MakeWriter,
        format::{JsonFields, Writer},
    },
    registry::{LookupSpan, Scope},
};

/// One line per event: time, level and message, where it was told, then what is known of it and of the spans it is in.
pub(super) struct Flat;

impl<S> FormatEvent<S, JsonFields> for Flat
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Map::new();
        for span in context.event_scope().into_iter().flat_map(Scope::from_root) {
            let extensions = span.extensions();
            let known = extensions.get::<FormattedFields<JsonFields>>();
            let known = known.and_then(|known| serde_json::from_str::<Map<String, Value>>(&known.fields).ok());
            let known = known.into_iter().flatten().filter(|(name, _)| !is_for_traces(name));
            fields.extend(known.map(|(name, value)| (named(&name), value)));
        }
        event.record(&mut Told(&mut fields));
        if let Some((trace, span)) = trace_context::current().as_deref().and_then(trace_context::ids) {
            fields.insert("trace_id".to_owned(), trace.into());
            fields.insert("span_id".to_owned(), span.into());
        }
        let (metadata, message) = (event.metadata(), fields.remove("msg").unwrap_or_else(|| "".into()));
        let time = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
        write!(writer, "{{\"ts\":\"{time}\",\"level\":\"{}\",\"msg\":{message}", metadata.level())?;
        write!(writer, ",\"target\":{}", Value::from(metadata.target()))?;
        for (name, value) in &fields {
            write!(writer, ",{}:{value}", Value::from(name.as_str()))?;
        }
        writeln!(writer, "}}")
    }
}

/// What is told in code as `job.id` is `job_id` to those who search logs; some have shorter names of old.
fn named(name: &str) -> String {
    match name {
        "message" => "msg".to_owned(),
        "job.kind" => "kind".to_owned(),
        "job.attempt" => "attempt".to_owned(),
        "duration_ms" => "ms".to_owned(),
        name => name.replace('.', "_"),
    }
}

/// What OpenTelemetry wants to know of a span, and nobody who reads logs.
fn is_for_traces(name: &str) -> bool {
    name.starts_with("otel.") || name.starts_with("messaging.")
}

struct Told<'a>(&'a mut Map<String, Value>);

impl Told<'_> {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(named(field.name()), value.into());
    }
}

impl Visit for Told<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.put(field, u64::try_from(value).unwrap_or(u64::MAX));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }
}

/// Standard error, to which each line is written whole, without what looks like a mail address or the password of an URL.
///
/// The last wall, not the first: what is logged is chosen where it is logged. But an error may quote what others wrote.
pub(super) struct Discreet;

impl<'a> MakeWriter<'a> for Discreet {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

impl Write for Discreet {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        io::stderr().lock().write_all(without_addresses(&text).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}

/// Takes out whatever stands around an `@` as in a mail address, or before it as in `scheme://user:password@host`.
fn without_addresses(text: &str) -> Cow<'_, str> {
    if !text.contains('@') {
        return Cow::Borrowed(text);
    }
    let (mut kept, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find('@') {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        let starts =
            before.rfind(ends_a_name).map_or(0, |end| end + before[end..].chars().next().map_or(1, char::len_utf8));
        let ends =
            after.find(|letter: char| !letter.is_alphanumeric() && !matches!(letter, '.' | '-')).unwrap_or(after.len());
        if starts == at || ends == 0 {
            kept.push_str(&rest[..=at]);
            rest = after;
            continue;
        }
        kept.push_str(&before[..starts]);
        kept.push_str("(hidden)");
        rest = &after[ends..];
    }
    kept.push_str(rest);
    Cow::Owned(kept)
}

fn ends_a_name(letter: char) -> bool {
    letter.is_whitespace()
        || matches!(letter, '"' | '<' | '>' | '(' | ')' | '[' | ']' | '{' | '}' | ',' | ';' | '=' | '/' | '\\' | '`')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_addresses_and_passwords_of_urls_are_taken_out() {
        for (text, expected) in [
            ("nothing here", "nothing here"),
            ("ask bob.o'hara+x@sub.example.com, please", "ask (hidden), please"),
            ("\"bob@example.com\"", "\"(hidden)\""),
            ("postgres://user:pass@host:5432/db", "postgres://(hidden):5432/db"),
            ("redis://:pa.ss@127.0.0.1:6379", "redis://(hidden):6379"),
            ("<bob@example.com> and ann@example.com", "<(hidden)> and (hidden)"),
            ("a @ b, @home, me@", "a @ b, @home, me@"),
            ("jürgen@exämple.de", "(hidden)"),
        ] {
            assert_eq!(without_addresses(text), expected);
        }
    }

    #[test]
    fn fields_have_the_names_that_logs_are_searched_by() {
        let names = ["message", "job.kind", "job.id", "instance.id", "duration_ms", "error"].map(named);
        assert_eq!(names, ["msg", "kind", "job_id", "instance_id", "ms", "error"]);
    }
}
