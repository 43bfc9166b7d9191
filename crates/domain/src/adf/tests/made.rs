//! JSON and Markdown, made at random.

use proptest::{collection::vec, option, prelude::*, sample::select};

use crate::{RawJson, adf::Document};

/// JSON shaped like a document, with whatever may be wrong about it.
pub(super) fn json() -> impl Strategy<Value = String> {
    prop_oneof![8 => node(), 1 => value(), 1 => (node(), 1..300usize).prop_map(|(node, depth)| deep(&node, depth))]
}

fn deep(inner: &str, depth: usize) -> String {
    let (open, close) = (r#"{"type":"panel","content":["#, "]}");
    format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        select(vec![
            "null",
            "true",
            "3",
            "1.50",
            "-0.0",
            "12345678901234567890.10",
            "1e400",
            "{}",
            "[]",
            r#""\ud800""#
        ])
        .prop_map(str::to_owned),
        text().prop_map(|text| quoted(&text)),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(","))),
            vec((text(), inner), 0..3).prop_map(|members| object(&members)),
        ]
    })
}

fn node() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![4 => text().prop_map(|text| format!(r#"{{"type":"text","text":{}}}"#, quoted(&text))), 1 => value()];
    leaf.prop_recursive(5, 40, 4, |inner| {
        let content = vec(inner, 0..4).prop_map(|nodes| format!("[{}]", nodes.join(",")));
        let odd = |right: BoxedStrategy<String>| prop_oneof![6 => option::of(right), 1 => value().prop_map(Some)];
        (
            odd(kind().boxed()),
            odd(attrs().boxed()),
            odd(content.boxed()),
            odd(marks().boxed()),
            option::of(value()),
            any::<bool>(),
        )
            .prop_map(|(kind, attrs, content, marks, more, twice)| {
                let names = ["type", "attrs", "content", "marks", "more"];
                let mut members: Vec<(String, String)> = names
                    .into_iter()
                    .zip([kind, attrs, content, marks, more])
                    .filter_map(|(name, value)| Some((name.to_owned(), value?)))
                    .collect();
                if twice {
                    members.extend(members.first().cloned());
                }
                object(&members)
            })
    })
}

fn kind() -> impl Strategy<Value = String> {
    let names = [
        "doc",
        "paragraph",
        "heading",
        "bulletList",
        "orderedList",
        "listItem",
        "taskList",
        "taskItem",
        "blockquote",
        "codeBlock",
        "panel",
        "rule",
        "expand",
        "table",
        "tableRow",
        "tableHeader",
        "tableCell",
        "mediaSingle",
        "media",
        "blockCard",
        "hardBreak",
        "mention",
        "emoji",
        "date",
        "status",
        "inlineCard",
        "extension",
        "brandNew",
        "",
    ];
    select(names.to_vec()).prop_map(quoted)
}

fn attrs() -> impl Strategy<Value = String> {
    let names = ["level", "order", "state", "text", "url", "timestamp", "language", "alt", "title", "shortName", "id"];
    vec((select(names.to_vec()).prop_map(str::to_owned), value()), 0..4).prop_map(|members| object(&members))
}

fn marks() -> impl Strategy<Value = String> {
    let known = ["strong", "em", "strike", "code", "underline", "brandNew"];
    let mark = prop_oneof![
        4 => select(known.to_vec()).prop_map(|kind| format!(r#"{{"type":"{kind}"}}"#)),
        2 => text().prop_map(|href| format!(r#"{{"type":"link","attrs":{{"href":{}}}}}"#, quoted(&href))),
        1 => value(),
    ];
    vec(mark, 0..3).prop_map(|marks| format!("[{}]", marks.join(",")))
}

fn object(members: &[(String, String)]) -> String {
    let members: Vec<_> = members.iter().map(|(name, value)| format!("{}:{value}", quoted(name))).collect();
    format!("{{{}}}", members.join(","))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Letters of all sorts, many of which mean something somewhere.
pub(super) fn text() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[a-c*_~`<>&#;!|\\\\\\[\\]()1.+=:\" -]{1,8}", 2 => "[a-z]{1,6}", 2 => any::<String>(), 1 => "[\\PC\n\t\u{a0}ß😀 ]{1,4}"]
        .prop_map(|text| text.replace('\0', "0"))
}

/// Markdown, or what looks like it.
pub(super) fn markdown() -> impl Strategy<Value = String> {
    let parts = vec![
        "# ",
        "- ",
        "* ",
        "+ ",
        "1. ",
        "7) ",
        "> ",
        "- [ ] ",
        "- [x] ",
        "```\n",
        "~~~",
        "---\n",
        "===\n",
        "| a | b |\n",
        "|---|---|\n",
        "|",
        "**",
        "*",
        "_",
        "__",
        "~~",
        "`",
        "``",
        "\n",
        "\n\n",
        "    ",
        "\t",
        "  \n",
        "\\\n",
        "<br>",
        "<div>\n",
        "<!-- x -->",
        "[a](b)",
        "[",
        "](",
        ")",
        "![x](y)",
        "![](z \"t\")",
        "<http://a.b>",
        "&amp;",
        "&#32;",
        "&#10;",
        "&nbsp;",
        "\\",
        "a",
        "b c",
        "ß",
        "1",
        ".",
        "[r]: /u\n",
        "[r]",
        "😀",
        "\u{a0}",
        "\r",
        "!",
        "\0",
        "\u{85}",
    ];
    prop_oneof![
        8 => vec(select(parts), 0..40).prop_map(|parts| parts.concat()),
        2 => json().prop_map(|json| Document::parse(&RawJson::parse(json).expect("valid JSON")).markdown()),
        1 => any::<String>(),
        1 => "[ -~\n]{0,60}",
        1 => (select(vec!["> ", "- ", "1. ", "**a ", "[", "- [ ] a\n  "]), 1..200usize).prop_map(|(part, n)| part.repeat(n) + "x"),
    ]
}
