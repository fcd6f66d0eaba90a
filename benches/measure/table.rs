//! What a bench prints: one table side by side, its targets, and what it was measured on.

#![allow(clippy::print_stdout)] // a program of its own: its result is what it prints

use teal::error::Result;
use teal::report::text;

use super::document::Document;
use super::series::Series;

/// A table under a title.
pub struct Sheet {
    title: String,
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    notes: Vec<String>,
}

impl Sheet {
    pub fn new(title: impl Into<String>, header: &[&'static str]) -> Self {
        Self { title: title.into(), header: header.to_vec(), rows: Vec::new(), notes: Vec::new() }
    }

    /// Cells that are missing at the end stay empty.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        let mut cells = Vec::from(cells);
        cells.resize(self.header.len(), String::new());
        self.rows.push(cells);
    }

    /// A line below the table.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Prints it with the document's targets, and writes the document.
    pub fn finish(self, document: &Document) -> Result<()> {
        println!("\n{}\n", self.title);
        print!("{}\n{}", text::table(&self.header, self.rows), text::wrapped(&self.notes.join("\n"), 0));
        println!("{}", text::wrapped(&format!("{}; {}", document.machine(), document.versions()), 0));
        for target in document.targets() {
            println!("{}", target.line());
        }
        println!("\nkept in {}", document.write()?.display());
        Ok(())
    }
}

/// A median with its spread: `24.3 (23.9–25.1)`.
pub fn spread(series: &Series) -> String {
    if series.is_empty() {
        return "—".to_owned();
    }
    format!("{:.1} ({:.1}–{:.1})", series.median(), series.least(), series.most())
}

/// A ratio: `0.93`.
pub fn times(ratio: f64) -> String {
    if ratio.is_finite() { format!("{ratio:.2}") } else { "—".to_owned() }
}
