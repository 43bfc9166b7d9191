//! Listings: a table for people, JSON, JSON lines or CSV for programs.

use clap::ValueEnum;
use comfy_table::{Table, presets};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// How a listing is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Columns for people.
    #[default]
    Table,
    /// One object with a versioned schema.
    Json,
    /// One object a line.
    Jsonl,
    /// Comma-separated, with a heading.
    Csv,
}

/// Prints rows on stdout. `schema` names the JSON form and its version, as in `jirafleet.tenants/1`.
pub(crate) fn print<T: Serialize>(format: Format, schema: &str, rows: &[T]) {
    let rows: Vec<Map<String, Value>> = rows.iter().filter_map(as_object).collect();
    match format {
        Format::Table => table(&rows),
        Format::Json => println!("{}", json!({ "schema": schema, "rows": rows })),
        Format::Jsonl => rows.iter().for_each(|row| println!("{}", Value::Object(row.clone()))),
        Format::Csv => csv(&rows),
    }
}

fn as_object<T: Serialize>(row: &T) -> Option<Map<String, Value>> {
    match serde_json::to_value(row) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    }
}

fn table(rows: &[Map<String, Value>]) {
    let Some(first) = rows.first() else {
        eprintln!("nothing to list");
        return;
    };
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(first.keys().map(|name| name.to_uppercase().replace('_', " ")));
    for row in rows {
        table.add_row(row.values().map(plain));
    }
    println!("{table}");
}

fn csv(rows: &[Map<String, Value>]) {
    let Some(first) = rows.first() else { return };
    println!("{}", first.keys().cloned().collect::<Vec<_>>().join(","));
    for row in rows {
        println!("{}", row.values().map(|value| quoted(&plain(value))).collect::<Vec<_>>().join(","));
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_quotes_what_needs_it() {
        assert_eq!(quoted("plain"), "plain");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
