//! Detectors: where in free text phone numbers, addresses, cards, accounts and tokens stand.
//!
//! # The idea
//!
//! Each detector is a scanner of its own: it goes over the text once, stops where a rare sign or the
//! beginning of a run of digits makes a candidate, and judges the candidate by what it can reckon: a check
//! digit, the length that a country's accounts have, the groups of a numbering plan, the words before. The
//! scanners run side by side, each one finding ahead, and what overlaps is merged: the finding that starts
//! first gives its name, and nothing that any of them covers stays uncovered.
//!
//! ```text
//! https://alice:s3cr3t@192.0.2.1/ or +1 415 555 0100
//!         ^^^^^^^^^^^^ ^^^^^^^^^      ^^^^^^^^^^^^^^^
//!         url-credentials  ip        phone
//! ```
//!
//! # Why no regular expressions
//!
//! An engine of linear time would do for finding candidates, not for judging them: sums, lengths by
//! country and what stands before and after would still be code, and the expressions would be a
//! second place that says what a candidate is. Engines of linear time have no look-around, so each would
//! find too much and be cut back. A compiled engine also keeps caches that it takes from a pool or from
//! the caller. The scanners need neither tables nor caches.
//!
//! # Linear time
//!
//! No scanner steps back further than a constant, with one kind of exception: it walks back over a local
//! part, or forward over a token, that ends at a sign which the next walk cannot pass. So each byte is
//! looked at a bounded number of times, whatever the text: `tests.rs` counts the looks.

#[cfg(test)]
mod measured;
#[cfg(test)]
mod tests;

mod bearer;
mod card;
mod email;
mod iban;
mod ip;
mod phone;
mod text;
mod url;

use serde::{Deserialize, Serialize};

pub(crate) use text::Folder as Scratch;
use text::{Origins, Span, Text};

/// A kind of secret that is looked for in free text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Detector {
    /// Phone numbers: E.164, national ones with gaps, and others that a word announces; extensions.
    Phone,
    /// E-mail addresses, international ones too.
    Email,
    /// Numbers of payment cards, with a check digit that holds.
    Card,
    /// International bank account numbers, with a check that holds.
    Iban,
    /// Addresses of version 4 and 6.
    Ip,
    /// User and password in a URL, and values of parameters that hold credentials.
    UrlCredentials,
    /// Bearer tokens, basic credentials, JSON web tokens, keys with a known prefix.
    Bearer,
}

impl Detector {
    /// All of them, in their order.
    pub const ALL: [Self; 7] = [
        Self::Phone,
        Self::Email,
        Self::Card,
        Self::Iban,
        Self::Ip,
        Self::UrlCredentials,
        Self::Bearer,
    ];

    fn next(self, text: &Text<'_>, from: usize) -> Option<Span> {
        match self {
            Self::Phone => phone::next(text, from),
            Self::Email => email::next(text, from),
            Self::Card => card::next(text, from),
            Self::Iban => iban::next(text, from),
            Self::Ip => ip::next(text, from),
            Self::UrlCredentials => url::next(text, from),
            Self::Bearer => bearer::next(text, from),
        }
    }
}

/// Which detectors look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct DetectorSet(u8);

impl DetectorSet {
    pub(crate) fn contains(self, detector: Detector) -> bool {
        self.0 & (1 << detector as u8) != 0
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Detector> for DetectorSet {
    fn from_iter<I: IntoIterator<Item = Detector>>(detectors: I) -> Self {
        Self(detectors.into_iter().fold(0, |set, detector| set | 1 << detector as u8))
    }
}

/// A range of bytes that a detector found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Of several whose findings overlap, the one whose finding starts first, or else is longest.
    pub(crate) detector: Detector,
}

/// Finds what `detectors` look for in `text`, decoded text as a reader sees it.
///
/// `found` is emptied first; then it holds ranges of `text` in ascending order that do not overlap, on
/// boundaries of characters. The time is linear in the text's length, whatever it says. Nothing is
/// allocated once `scratch` and `found` have grown.
pub(crate) fn find(
    detectors: DetectorSet,
    text: &str,
    scratch: &mut Scratch,
    found: &mut Vec<Found>,
) {
    found.clear();
    if detectors.is_empty() {
        return;
    }
    let (folded, origins) = scratch.fold(text);
    merge(detectors, &Text::new(folded), origins, found);
}

/// Runs the scanners side by side and takes the first finding of all, until none has any.
fn merge(
    detectors: DetectorSet,
    text: &Text<'_>,
    mut origins: Origins<'_>,
    found: &mut Vec<Found>,
) {
    let mut heads = Detector::ALL.map(|detector| {
        let span = detectors.contains(detector).then(|| detector.next(text, 0)).flatten();
        (detector, span)
    });
    let mut last: Option<(Detector, Span)> = None;
    let mut give = |(detector, span): (Detector, Span)| {
        let start = origins.of(span.start);
        found.push(Found { start, end: origins.of(span.end), detector });
    };
    loop {
        let ahead = heads.iter_mut().filter_map(|(detector, head)| {
            head.map(|span| ((span.start, core::cmp::Reverse(span.end)), *detector, span, head))
        });
        let Some((_, detector, span, head)) = ahead.min_by_key(|(order, ..)| *order) else { break };
        *head = detector.next(text, span.end);
        last = match last {
            Some((first, before)) if span.start < before.end => {
                Some((first, Span { end: before.end.max(span.end), ..before }))
            }
            before => {
                before.into_iter().for_each(&mut give);
                Some((detector, span))
            }
        };
    }
    last.into_iter().for_each(give);
}
