//! Atlassian document format, read as plain text.

use serde_json::Value;

use crate::RawJson;

/// How deep a document may nest before the rest is left out: deeper than any editor makes one.
const DEPTH: usize = 64;

/// The words of a document, one line a block; wiki text (Jira's older form) is returned as it is. Nodes nobody knows yet
/// are walked for the text in them.
pub fn plain_text(document: &RawJson) -> String {
    let mut out = String::new();
    match document.read::<Value>() {
        Ok(Value::String(wiki)) => out = wiki,
        Ok(node) => walk(&node, DEPTH, &mut out),
        Err(_) => {}
    }
    out.truncate(out.trim_end().len());
    out
}

fn walk(node: &Value, depth: usize, out: &mut String) {
    let kind = node["type"].as_str().unwrap_or_default();
    match kind {
        "text" => out.push_str(node["text"].as_str().unwrap_or_default()),
        "hardBreak" => out.push('\n'),
        "mention" | "emoji" | "status" => out.push_str(node["attrs"]["text"].as_str().unwrap_or_default()),
        "inlineCard" | "blockCard" | "embedCard" => out.push_str(node["attrs"]["url"].as_str().unwrap_or_default()),
        _ => {}
    }
    if depth > 0 {
        for child in node["content"].as_array().into_iter().flatten() {
            walk(child, depth - 1, out);
        }
    }
    if is_line(kind) && !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
}

fn is_line(kind: &str) -> bool {
    matches!(
        kind,
        "paragraph"
            | "heading"
            | "codeBlock"
            | "taskItem"
            | "decisionItem"
            | "rule"
            | "tableRow"
            | "blockCard"
            | "embedCard"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_become_lines() {
        let document = r#"{"type":"doc","version":1,"content":[
            {"type":"heading","content":[{"type":"text","text":"Größe"}]},
            {"type":"paragraph","content":[{"type":"text","text":"a"},{"type":"hardBreak"},{"type":"mention","attrs":{"text":"@Mia"}}]},
            {"type":"panel","content":[{"type":"brandNew","content":[{"type":"text","text":"kept"}]}]}]}"#;
        let document = RawJson::parse(document.to_owned()).expect("valid JSON");
        assert_eq!(plain_text(&document), "Größe\na\n@Mia\nkept");
    }

    #[test]
    fn wiki_text_stays() {
        let wiki = RawJson::parse("\"h1. *old*\"".to_owned()).expect("valid JSON");
        assert_eq!(plain_text(&wiki), "h1. *old*");
    }
}
