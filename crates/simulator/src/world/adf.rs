//! Documents that clients write: whether Jira would take them, and how they read as wiki markup.

use serde_json::Value;

/// Nodes a document may consist of.
const NODES: &[&str] = &[
    "blockCard",
    "blockquote",
    "bodiedExtension",
    "bulletList",
    "codeBlock",
    "date",
    "decisionItem",
    "decisionList",
    "embedCard",
    "emoji",
    "expand",
    "extension",
    "hardBreak",
    "heading",
    "inlineCard",
    "inlineExtension",
    "layoutColumn",
    "layoutSection",
    "listItem",
    "media",
    "mediaGroup",
    "mediaInline",
    "mediaSingle",
    "mention",
    "nestedExpand",
    "orderedList",
    "panel",
    "paragraph",
    "placeholder",
    "rule",
    "status",
    "table",
    "tableCell",
    "tableHeader",
    "tableRow",
    "taskItem",
    "taskList",
    "text",
];
/// Deeper documents are refused, so that reading one never runs out of stack.
const DEPTH: usize = 64;

/// Whether this is `{"type":"doc","version":1,"content":[..]}` of known nodes without empty text.
pub(crate) fn is_document(value: &Value) -> bool {
    let content = value.get("content").and_then(Value::as_array);
    value["type"] == "doc" && value["version"] == 1 && content.is_some_and(|nodes| all_valid(nodes, DEPTH))
}

fn all_valid(nodes: &[Value], depth: usize) -> bool {
    depth > 0 && nodes.iter().all(|node| is_valid(node, depth))
}

fn is_valid(node: &Value, depth: usize) -> bool {
    let Some(kind) = node.get("type").and_then(Value::as_str).filter(|kind| NODES.contains(kind)) else {
        return false;
    };
    if kind == "text" {
        return node.get("text").and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    }
    match node.get("content") {
        None => true,
        Some(Value::Array(nodes)) => all_valid(nodes, depth - 1),
        Some(_) => false,
    }
}

/// The document as wiki markup, as webhooks carry it.
pub(crate) fn wiki(document: &Value) -> String {
    blocks(document).join("\n\n")
}

fn blocks(node: &Value) -> Vec<String> {
    children(node).iter().map(block).collect()
}

fn block(node: &Value) -> String {
    match node["type"].as_str().unwrap_or_default() {
        "heading" => format!("h{}. {}", node["attrs"]["level"].as_u64().unwrap_or(1), inline(node)),
        "codeBlock" => {
            format!("{{code:{}}}{}{{code}}", node["attrs"]["language"].as_str().unwrap_or("none"), inline(node))
        }
        "bulletList" => items(node, "*"),
        "orderedList" => items(node, "#"),
        "blockquote" => format!("{{quote}}{}{{quote}}", blocks(node).join("\n\n")),
        "rule" => "----".into(),
        "paragraph" => inline(node),
        _ if children(node).iter().any(|child| child["type"] != "text") => blocks(node).join("\n\n"),
        _ => inline(node),
    }
}

fn items(list: &Value, sign: &str) -> String {
    let lines: Vec<String> = children(list).iter().map(|item| format!("{sign} {}", blocks(item).join("\n"))).collect();
    lines.join("\n")
}

fn inline(node: &Value) -> String {
    children(node).iter().map(leaf).collect()
}

fn leaf(node: &Value) -> String {
    let attribute = |name: &str| node["attrs"][name].as_str().unwrap_or_default();
    match node["type"].as_str().unwrap_or_default() {
        "text" => node["text"].as_str().unwrap_or_default().to_owned(),
        "hardBreak" => "\n".into(),
        "mention" => format!("[~accountid:{}]", attribute("id")),
        "emoji" | "status" => attribute("text").to_owned(),
        "inlineCard" => format!("[{}]", attribute("url")),
        _ => inline(node),
    }
}

fn children(node: &Value) -> &[Value] {
    node.get("content").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn doc(content: &Value) -> Value {
        json!({"type": "doc", "version": 1, "content": content})
    }

    #[test]
    fn what_is_no_document_is_refused() {
        assert!(is_document(&doc(&json!([{"type": "paragraph", "content": [{"type": "text", "text": "hi"}]}]))));
        assert!(is_document(&doc(&json!([]))));
        for wrong in [
            json!("plain"),
            json!({"type": "doc", "content": []}),
            doc(&json!([{"type": "text", "text": ""}])),
            doc(&json!([{"type": "marquee"}])),
            doc(&json!([{"type": "paragraph", "content": "text"}])),
        ] {
            assert!(!is_document(&wrong), "{wrong}");
        }
    }

    #[test]
    fn a_bottomless_document_is_refused() {
        let mut node = json!({"type": "paragraph"});
        for _ in 0..100 {
            node = json!({"type": "blockquote", "content": [node]});
        }
        assert!(!is_document(&doc(&json!([node]))));
    }

    #[test]
    fn documents_read_as_wiki_markup() {
        let text = |words: &str| json!({"type": "text", "text": words});
        let paragraph = |words: &str| json!({"type": "paragraph", "content": [text(words)]});
        let item = |words: &str| json!({"type": "listItem", "content": [paragraph(words)]});
        let document = doc(&json!([
            {"type": "heading", "attrs": {"level": 2}, "content": [text("Title")]},
            {"type": "bulletList", "content": [item("one"), item("two")]},
            {"type": "paragraph", "content": [text("hi "), {"type": "mention", "attrs": {"id": "a2"}}]},
        ]));
        assert_eq!(wiki(&document), "h2. Title\n\n* one\n* two\n\nhi [~accountid:a2]");
    }
}
