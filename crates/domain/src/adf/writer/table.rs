//! Tables in Markdown: the first row is the header, a cell is one line.

use super::{Place, line, literal};
use crate::adf::{
    kind::Kind,
    node::{Element, Node},
    words,
};

pub(super) fn table(table: &Element) -> String {
    let rows: Vec<Vec<String>> = table.children().iter().filter_map(Node::element).map(row).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    if columns == 0 {
        return String::new();
    }
    let mut lines: Vec<String> = rows.iter().map(|row| joined(row, columns)).collect();
    lines.insert(1, joined(&vec!["---".to_owned(); columns], columns));
    lines.join("\n")
}

fn joined(cells: &[String], columns: usize) -> String {
    let padding = std::iter::repeat_n("", columns - cells.len());
    let cells = cells.iter().map(String::as_str).chain(padding);
    cells.fold("|".to_owned(), |row, cell| row + " " + cell + " |")
}

fn row(row: &Element) -> Vec<String> {
    row.children().iter().filter_map(Node::element).map(cell).collect()
}

fn cell(cell: &Element) -> String {
    let blocks = cell.children().iter().filter_map(|node| Some((node, node.element()?)));
    let lines = blocks.map(|(node, block)| match &block.kind {
        Kind::CodeBlock => literal(&words::of(node), Place::Cell),
        kind if kind.holds_inline() => line(block.children(), Place::Cell),
        kind if kind.is_inline() => line(std::slice::from_ref(node), Place::Cell),
        _ => literal(&words::of(node), Place::Cell),
    });
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("<br>")
}
