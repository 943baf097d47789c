//! Precision and recall on the labelled set, `tests/it/detect.jsonl`.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// One text of the set, and its secrets from left to right.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Labelled {
    set: Set,
    text: String,
    secrets: Vec<(Detector, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Set {
    Tuning,
    HeldOut,
}

fn labelled() -> Vec<Labelled> {
    let lines = include_str!("../../tests/it/detect.jsonl").lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

impl Labelled {
    fn ranges(&self) -> Vec<Found> {
        let mut from = 0;
        let range = |(detector, secret): &(Detector, String)| {
            let start = from + self.text[from..].find(secret).expect("a label stands in its text");
            from = start + secret.len();
            Found { start, end: from, detector: *detector }
        };
        self.secrets.iter().map(range).collect()
    }
}

/// Spans that are labelled, found, and both; and the same in bytes.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    labelled: [usize; 2],
    found: [usize; 2],
    right: [usize; 2],
}

const SPANS: usize = 0;
const BYTES: usize = 1;

impl Tally {
    fn add(&mut self, labelled: &[Found], found: &[Found]) {
        let bytes = |spans: &[Found]| -> BTreeSet<usize> {
            spans.iter().flat_map(|span| span.start..span.end).collect()
        };
        let (labelled_bytes, found_bytes) = (bytes(labelled), bytes(found));
        self.labelled[SPANS] += labelled.len();
        self.found[SPANS] += found.len();
        self.right[SPANS] += found.iter().filter(|span| labelled.contains(span)).count();
        self.labelled[BYTES] += labelled_bytes.len();
        self.found[BYTES] += found_bytes.len();
        self.right[BYTES] += labelled_bytes.intersection(&found_bytes).count();
    }

    fn precision(&self, unit: usize) -> f64 {
        self.right[unit] as f64 / self.found[unit].max(1) as f64
    }

    fn recall(&self, unit: usize) -> f64 {
        self.right[unit] as f64 / self.labelled[unit].max(1) as f64
    }

    fn row(&self, set: Set, name: &str) -> String {
        let percent = |share: f64| format!("{:.1}", share * 100.0);
        format!(
            "| {} | {name} | {} | {} | {} | {} | {} |",
            if set == Set::Tuning { "tuning" } else { "held out" },
            self.labelled[SPANS],
            percent(self.precision(SPANS)),
            percent(self.recall(SPANS)),
            percent(self.precision(BYTES)),
            percent(self.recall(BYTES)),
        )
    }
}

fn name(detector: Detector) -> String {
    serde_json::to_string(&detector).unwrap().trim_matches('"').to_owned()
}

type Tallies = BTreeMap<(Set, Detector), Tally>;

/// Tallies by detector, and over all of them, where a secret that another detector covers is covered.
fn measure(texts: &[Labelled]) -> (Tallies, BTreeMap<Set, Tally>) {
    let (mut by_detector, mut whole) = (Tallies::new(), BTreeMap::<Set, Tally>::new());
    for labelled in texts {
        let (ranges, found) = (labelled.ranges(), tests::find_in(&labelled.text));
        let of = |spans: &[Found], detector| -> Vec<Found> {
            spans.iter().filter(|span| span.detector == detector).copied().collect()
        };
        for detector in Detector::ALL {
            let tally = by_detector.entry((labelled.set, detector)).or_default();
            tally.add(&of(&ranges, detector), &of(&found, detector));
        }
        whole.entry(labelled.set).or_default().add(&ranges, &found);
        // The texts that are held out are not shown, so that nobody mends the code by them.
        if ranges != found && labelled.set == Set::Tuning {
            let shown: Vec<_> =
                found.iter().map(|f| (f.detector, &labelled.text[f.start..f.end])).collect();
            println!("{:?}: wanted {:?}, found {shown:?}", labelled.text, labelled.secrets);
        }
    }
    (by_detector, whole)
}

#[test]
fn the_set_is_large_and_half_of_it_has_nothing_to_find() {
    let texts = labelled();
    let plain = texts.iter().filter(|text| text.secrets.is_empty()).count();
    let held_out = texts.iter().filter(|text| text.set == Set::HeldOut).count();
    assert!(texts.len() >= 600 && plain * 2 >= texts.len() && held_out * 100 >= texts.len() * 30);
    let different: BTreeSet<&str> = texts.iter().map(|text| &*text.text).collect();
    assert_eq!(different.len(), texts.len());
    for text in &texts {
        assert_eq!(text.ranges().len(), text.secrets.len());
    }
}

/// What precision and recall by span must be at least, on either set, in percent.
const FLOORS: [(Detector, f64, f64); 7] = [
    (Detector::Phone, 91.0, 89.0),
    (Detector::Email, 92.0, 95.0),
    (Detector::Card, 97.0, 99.0),
    (Detector::Iban, 99.0, 95.0),
    (Detector::Ip, 95.0, 99.0),
    (Detector::UrlCredentials, 93.0, 93.0),
    (Detector::Bearer, 99.0, 93.0),
];

#[test]
fn precision_and_recall_do_not_fall() {
    let (by_detector, whole) = measure(&labelled());
    println!(
        "| set | detector | secrets | precision | recall | precision, bytes | recall, bytes |"
    );
    println!("|---|---|---|---|---|---|---|");
    for ((set, detector), tally) in &by_detector {
        println!("{}", tally.row(*set, &name(*detector)));
    }
    for (set, tally) in &whole {
        println!("{}", tally.row(*set, "all"));
        // Of what is secret, whoever finds it, this share of bytes is covered.
        assert!(tally.recall(BYTES) >= 0.97, "{set:?}");
    }
    for ((set, detector), tally) in &by_detector {
        let (_, precision, recall) = FLOORS[*detector as usize];
        assert_eq!(FLOORS[*detector as usize].0, *detector);
        let (precise, recalled) = (tally.precision(SPANS) * 100.0, tally.recall(SPANS) * 100.0);
        assert!(precise >= precision, "{set:?} {detector:?}: precision {precise:.1}");
        assert!(recalled >= recall, "{set:?} {detector:?}: recall {recalled:.1}");
    }
}
