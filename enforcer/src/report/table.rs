// SPDX-License-Identifier: MIT OR Apache-2.0

//! Columns of text.

/// Lines with columns as wide as their widest cell, two spaces between them and before the first; ends with a line
/// feed.
#[must_use]
pub fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let line: String = row.iter().zip(&widths).map(|(cell, &width)| format!("  {cell:width$}")).collect();
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [vec!["a".to_owned(), "b".to_owned()], vec!["ccü".to_owned(), String::new()]];
        assert_eq!(columns(&rows), "  a    b\n  ccü\n");
    }
}
