//! What is said: data on stdout (a table for people, JSON, JSON lines, YAML or CSV for programs), everything else on stderr.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
};

use chrono::{DateTime, SecondsFormat, Utc};
use clap::ValueEnum;
use comfy_table::{Table, presets};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

use crate::exit::{self, Failed};

/// How a listing is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Columns for people.
    #[default]
    Table,
    /// All columns.
    Wide,
    /// One object with a versioned schema.
    Json,
    /// One object a line.
    Jsonl,
    /// The same as JSON, for reading.
    Yaml,
    /// Comma-separated, with a heading.
    Csv,
}

/// Prints a line of data on stdout. A reader who has seen enough (`| head`) ends the command without a word.
pub(crate) fn line(text: impl fmt::Display) -> Result<(), Failed> {
    written(writeln!(io::stdout().lock(), "{text}"))
}

fn written(done: io::Result<()>) -> Result<(), Failed> {
    done.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failed::silent(exit::OK),
        _ => Failed::new(exit::FAILURE, format!("standard output cannot be written: {error}")),
    })
}

/// Prints bytes as they are on stdout.
pub(crate) fn bytes(text: &[u8]) -> Result<(), Failed> {
    written(io::stdout().lock().write_all(text))
}

/// Says something on stderr, as `eprintln!` does, but does not mind when nobody can hear it.
macro_rules! say {
    ($($text:tt)*) => { $crate::output::say_line(format_args!($($text)*)) };
}
pub(crate) use say;

/// Use [`say!`].
pub(crate) fn say_line(text: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A row of a listing.
pub(crate) trait Row: Serialize {
    /// Names the JSON form and its version, as in `jirafleet.tenants/1`.
    const SCHEMA: &'static str;
    /// Columns that only a wide table shows.
    const WIDE: &'static [&'static str] = &[];
}

/// Prints rows on stdout. Columns come in the order of the row's fields.
pub(crate) fn print<T: Row>(format: Format, rows: &[T]) -> Result<(), Failed> {
    let listing = Listing { schema: T::SCHEMA, rows };
    match format {
        Format::Json => line(text(&listing)?),
        Format::Jsonl => rows.iter().try_for_each(|row| line(text(row)?)),
        Format::Yaml => bytes(serde_saphyr::to_string(&listing).map_err(Failed::bug)?.as_bytes()),
        Format::Table => table(&columns(rows, T::WIDE)?),
        Format::Wide => table(&columns(rows, &[])?),
        Format::Csv => csv(&columns(rows, &[])?),
    }
}

#[derive(Serialize)]
struct Listing<'a, T> {
    schema: &'a str,
    rows: &'a [T],
}

/// A row's fields in their order, which a JSON object of ours would forget.
struct Columns(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Columns {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Columns;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Columns, A::Error> {
                let mut columns = Vec::new();
                while let Some(column) = map.next_entry()? {
                    columns.push(column);
                }
                Ok(Columns(columns))
            }
        }
        from.deserialize_map(InOrder)
    }
}

fn text<T: Serialize>(value: &T) -> Result<String, Failed> {
    serde_json::to_string(value).map_err(Failed::bug)
}

/// The columns of each row, but for those left out.
fn columns<T: Serialize>(rows: &[T], left_out: &[&str]) -> Result<Vec<Columns>, Failed> {
    let of = |row: &T| {
        let Columns(mut columns) = serde_json::from_str(&text(row)?).map_err(Failed::bug)?;
        columns.retain(|(name, _)| !left_out.contains(&name.as_str()));
        Ok(Columns(columns))
    };
    rows.iter().map(of).collect()
}

fn table(rows: &[Columns]) -> Result<(), Failed> {
    let Some(Columns(first)) = rows.first() else {
        say!("nothing to list");
        return Ok(());
    };
    let mut table = Table::new();
    let heading = first.iter().map(|(name, _)| name.to_uppercase().replace('_', " "));
    table.load_style(presets::NOTHING).set_header(heading);
    for Columns(row) in rows {
        table.add_row(row.iter().map(|(_, value)| plain(value)));
    }
    line(table)
}

fn csv(rows: &[Columns]) -> Result<(), Failed> {
    let Some(Columns(first)) = rows.first() else { return Ok(()) };
    line(first.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>().join(","))?;
    rows.iter().try_for_each(|Columns(row)| {
        line(row.iter().map(|(_, value)| quoted(&plain(value))).collect::<Vec<_>>().join(","))
    })
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Quoted where RFC 4180 asks for it.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

/// How far a command has come with so many issues, on stderr; hidden where nobody watches.
pub(crate) fn bar(issues: u64) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    ProgressBar::new(issues).with_style(bar_style("{bar:40} {pos}/{len} issues, {rate}, {eta} left"))
}

/// How a bar looks; `{rate}` is the pace without decimals.
pub(crate) fn bar_style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.with_key("rate", |state: &ProgressState, text: &mut dyn fmt::Write| {
        let _ = write!(text, "{:.0}/s", state.per_sec());
    })
}

/// An instant as listings show it.
pub(crate) fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_keep_their_order() {
        #[derive(Serialize)]
        struct Row {
            zebra: u8,
            ant: Option<&'static str>,
            bee: u8,
        }
        let names = |left_out| {
            let rows = columns(&[Row { zebra: 1, ant: None, bee: 2 }], left_out).expect("a row");
            rows[0].0.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(&[]), ["zebra", "ant", "bee"]);
        assert_eq!(names(&["ant"]), ["zebra", "bee"]);
    }

    #[test]
    fn csv_quotes_what_needs_it() {
        assert_eq!(quoted("plain"), "plain");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
