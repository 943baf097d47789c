//! The tables, as Markdown.

use cofferdam_benches::{
    engines::{Cofferdam, Engine},
    stream::Shape,
};

use crate::{
    READERS_AT,
    timing::{Built, WorstTime},
};

/// Everything that was measured.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
    pub(crate) built: Vec<Built>,
    pub(crate) worst: Vec<WorstTime>,
}

/// One contender on one set of rules.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// None of a reader.
    pub(crate) rules: Option<(Shape, u32)>,
    /// Nanoseconds an event with 0, 1 and 50 % matched.
    pub(crate) ns: [f64; 3],
    /// The same for hot events, 1 % matched.
    pub(crate) hot: f64,
    /// The mean length of an event.
    pub(crate) bytes: f64,
}

impl Report {
    /// The row of this name and these rules.
    pub(crate) fn row(&self, name: &str, rules: Option<(Shape, u32)>) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name && row.rules == rules)
    }

    /// What a row is held against: Cofferdam under the same rules.
    fn ours(&self, row: &Row) -> Option<&Row> {
        self.row(Cofferdam::NAME, row.rules.or(Some((Shape::A, READERS_AT))))
    }

    pub(crate) fn print(&self) {
        println!("Nanoseconds of CPU time an event:\n");
        println!(
            "| | shape | rules | 0 % match | 1 % | 50 % | GB/s | hot | times Cofferdam's |\n\
             |---|---|---:|---:|---:|---:|---:|---:|---:|"
        );
        for row in &self.rows {
            let (shape, rules) = row.rules.map_or((String::new(), String::new()), |(s, n)| {
                (format!("{s:?}"), grouped(n as usize))
            });
            let ratio = self.ours(row).map_or(f64::NAN, |ours| row.ns[1] / ours.ns[1]);
            let [none, some, half] = row.ns.map(|ns| grouped(ns.round() as usize));
            println!(
                "| {} | {shape} | {rules} | {none} | {some} | {half} | {:.2} | {} | {ratio:.2} |",
                row.name,
                row.bytes / row.ns[1],
                grouped(row.hot.round() as usize),
            );
        }
        println!("\nReading and compiling the rules, the first event included:\n");
        println!("| | shape | rules | MB of text | CPU seconds | us a rule |");
        println!("|---|---|---:|---:|---:|---:|");
        for Built { name, shape, rules, text, seconds } in &self.built {
            println!(
                "| {name} | {shape:?} | {} | {:.3} | {seconds:.3} | {:.1} |",
                grouped(*rules),
                *text as f64 / 1e6,
                seconds * 1e6 / *rules as f64,
            );
        }
        self.print_worst();
    }

    fn print_worst(&self) {
        println!("\nThe worst event, arrays of equal items that a rule names all:\n");
        println!("| | arrays | items each | bytes | us | times the first row's |");
        println!("|---|---:|---:|---:|---:|---:|");
        let first = self.worst.first().map_or(f64::NAN, |first| first.ns);
        for WorstTime { name, worst, bytes, ns } in &self.worst {
            println!(
                "| {name} | {} | {} | {} | {:.1} | {:.1} |",
                worst.arrays,
                worst.items,
                grouped(*bytes),
                ns / 1e3,
                ns / first,
            );
        }
    }
}

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
