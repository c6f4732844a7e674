//! Text in columns.

use std::fmt;

/// Rows of cells; the first column is written from the left, all others from the right.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with its headings.
    pub fn new<T: ToString>(headings: impl IntoIterator<Item = T>) -> Self {
        let mut table = Self::default();
        table.row(headings);
        table
    }

    /// Adds a row.
    pub fn row<T: ToString>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.rows
            .push(cells.into_iter().map(|cell| cell.to_string()).collect());
    }

    /// The table in Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            text += &format!("| {} |\n", row.join(" | "));
            if number == 0 {
                text += &format!("|---|{}\n", "---:|".repeat(row.len().saturating_sub(1)));
            }
        }
        text
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or_default()
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (number, row) in self.rows.iter().enumerate() {
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                match column {
                    0 => write!(f, "{cell:<width$}")?,
                    _ => write!(f, "   {cell:>width$}")?,
                }
            }
            writeln!(f)?;
            if number == 0 {
                writeln!(
                    f,
                    "{}",
                    "─".repeat(widths.iter().sum::<usize>() + 3 * columns.saturating_sub(1))
                )?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["line", "×"]);
        table.row(["a", "2.00"]);
        assert_eq!(table.to_string(), "line      ×\n───────────\na      2.00\n");
        assert_eq!(table.markdown(), "| line | × |\n|---|---:|\n| a | 2.00 |\n");
    }
}
