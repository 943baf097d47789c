//! The pass itself: untouched bytes copied in the largest pieces, values rewritten where rules fire.
//!
//! An omitted member takes one comma with it. Which one can be told from the output alone: if its
//! last byte is the bracket that opens the container, nothing stands before the member, so the
//! comma *after* it goes; else the one before it does. No value ends in an opening bracket, so
//! the two cannot be mixed up, and a run of omitted members needs no memory.

use cofferdam_core::{
    Reason,
    pipeline::{Redact, Redactions},
};
use cofferdam_json::Token;

use crate::{
    Policy,
    key::Kind,
    policy::Action,
    walk::{Buffers, Hit, Stop, Visit, walk},
};

/// Buffers that are kept between events. They have held values, so they are no one's to look at.
#[derive(Default)]
pub struct Scratch {
    buffers: Buffers,
    values: Values,
}

#[derive(Default)]
struct Values {
    text: Vec<u8>,
    line: String,
}

impl Scratch {
    /// Empty buffers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

/// Holds nothing to see.
impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scratch(..)")
    }
}

impl Redact for Policy {
    type Scratch = Scratch;

    /// Appends the redacted event to `out`.
    ///
    /// The event must have been accepted by [`cofferdam_json::check`]; then the output is accepted
    /// by it too (though perhaps longer). What no rule can reach is copied unread, so on bytes
    /// that were *not* checked the output may be as unsound as they are.
    fn redact(
        &self,
        event: &[u8],
        out: &mut Vec<u8>,
        scratch: &mut Scratch,
    ) -> Result<Redactions, Reason> {
        let base = out.len();
        let done = Redactions { policy_version: self.version(), ..Redactions::default() };
        let Scratch { buffers, values } = scratch;
        let mut writer = Writer { policy: self, event, out, base, copied: 0, values, done };
        let walked = walk(self.automaton(), event, buffers, &mut writer);
        match walked.and_then(|()| writer.copy_to(event.len())) {
            Ok(()) => Ok(writer.done),
            Err(Stop) => {
                out.truncate(base);
                Err(Reason::RedactionFailed)
            }
        }
    }
}

struct Writer<'a> {
    policy: &'a Policy,
    event: &'a [u8],
    out: &'a mut Vec<u8>,
    base: usize,
    /// Up to where the event has been copied or replaced.
    copied: usize,
    values: &'a mut Values,
    done: Redactions,
}

impl Visit for Writer<'_> {
    fn hit(&mut self, hit: &Hit<'_>) -> Result<(), Stop> {
        match self.policy.action(hit.rule) {
            Action::Omit => {
                self.done.omitted = self.done.omitted.saturating_add(1);
                return self.omit(hit);
            }
            Action::Hash(hasher) => {
                self.copy_to(hit.start)?;
                let (kind, value) = self.values.hashed(hit, self.event)?;
                hasher.write(kind, value, self.out);
                self.done.hashed = self.done.hashed.saturating_add(1);
            }
            Action::Mask(mask) => {
                self.copy_to(hit.start)?;
                let Values { text, line } = &mut *self.values;
                let shown = masked(hit.token, text);
                mask.write(std::str::from_utf8(shown).map_err(|_| Stop)?, line, self.out);
                self.done.masked = self.done.masked.saturating_add(1);
            }
        }
        self.copied = hit.end;
        let written = self.out.len() - self.base;
        if written > self.copied.saturating_add(self.policy.max_growth()) {
            return Err(Stop);
        }
        Ok(())
    }
}

impl Writer<'_> {
    fn copy_to(&mut self, end: usize) -> Result<(), Stop> {
        self.out.extend_from_slice(self.event.get(self.copied..end).ok_or(Stop)?);
        self.copied = end;
        Ok(())
    }

    fn omit(&mut self, hit: &Hit<'_>) -> Result<(), Stop> {
        // After a first member that was left out, its comma too is behind us.
        if self.copied < hit.after {
            self.copy_to(hit.after)?;
        }
        self.copied = hit.end;
        if matches!(self.out.last(), Some(b'{' | b'[')) {
            let rest = self.event.get(hit.end..).unwrap_or_default();
            let blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r');
            let next = rest.iter().position(|b| !blank(b));
            if let Some(next) = next.filter(|&next| rest[next] == b',') {
                self.copied += next + 1;
            }
        }
        Ok(())
    }
}

impl Values {
    /// The type and the canonical bytes of a value: strings decoded, numbers in their one spelling,
    /// containers as they stand.
    fn hashed<'s>(&'s mut self, hit: &Hit<'s>, event: &'s [u8]) -> Result<(Kind, &'s [u8]), Stop> {
        let raw = event.get(hit.start..hit.end).ok_or(Stop)?;
        Ok(match hit.token {
            Token::String(text) => (Kind::String, text.decode(&mut self.text)),
            Token::Number(number) => {
                self.text.clear();
                number.canonical_into(&mut self.text);
                (Kind::Number, &self.text)
            }
            Token::Bool(_) => (Kind::Bool, raw),
            Token::Null => (Kind::Null, raw),
            Token::BeginObject => (Kind::Object, raw),
            Token::BeginArray => (Kind::Array, raw),
            Token::Name(_) | Token::EndObject | Token::EndArray => return Err(Stop),
        })
    }
}

/// The text of which a mask may show the end. Of `true`, `null` and containers nothing may:
/// one letter of a word that has two or three alternatives is the whole word.
fn masked<'s>(token: Token<'s>, text: &'s mut Vec<u8>) -> &'s [u8] {
    match token {
        Token::String(string) => string.decode(text),
        Token::Number(number) => number.raw(),
        _ => b"",
    }
}

impl Policy {
    /// Counts the places of an already redacted event where a rule would still fire on a value that
    /// does not look redacted; one more if the bytes cannot be read. For tests and audits: a
    /// value that was *sent* in the shape of a mask or a digest cannot be told from one, and where a
    /// rule leaves out elements by index, those that moved up to their place are counted.
    #[must_use]
    pub fn residue(&self, redacted: &[u8]) -> usize {
        let mut count = Residue { policy: self, text: Vec::new(), places: 0 };
        let walked = walk(self.automaton(), redacted, &mut Buffers::default(), &mut count);
        count.places + usize::from(walked.is_err())
    }
}

struct Residue<'a> {
    policy: &'a Policy,
    text: Vec<u8>,
    places: usize,
}

impl Visit for Residue<'_> {
    fn hit(&mut self, hit: &Hit<'_>) -> Result<(), Stop> {
        let text = match hit.token {
            Token::String(text) => Some(text.decode(&mut self.text)),
            _ => None,
        };
        let redacted = match (self.policy.action(hit.rule), text) {
            (Action::Omit, _) | (_, None) => false,
            (Action::Hash(hasher), Some(text)) => hasher.fits(text),
            (Action::Mask(mask), Some(text)) => {
                std::str::from_utf8(text).is_ok_and(|text| mask.fits(text))
            }
        };
        self.places += usize::from(!redacted);
        Ok(())
    }
}
