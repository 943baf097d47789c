//! The pass itself: untouched bytes copied in the largest pieces, values rewritten where rules fire.
//!
//! An omitted member takes one comma with it. Which one can be told from the output alone: if its
//! last byte is the bracket that opens the container, nothing stands before the member, so the
//! comma *after* it goes; else the one before it does. No value ends in an opening bracket, so
//! the two cannot be mixed up, and a run of omitted members needs no memory.
//!
//! JSON in a string is decoded, redacted by the same pass as if it stood there, and written as a string
//! again. If nothing in it was found the string stays as it was spelled.

use cofferdam_core::{
    Reason,
    pipeline::{Redact, Redactions},
};
use cofferdam_json::{Number, Text, write_string};

use crate::{
    Policy, Report,
    action::Action,
    automata::At,
    nested::{self, Holds},
    report::write_place,
    scratch::{Level, Scratch},
    values::Values,
    walk::{Hit, Range, Spot, Stop, Visit, walk, walk_wrapped},
};

/// How many strings inside of one another are looked into.
const MAX_DECODED: usize = 3;

impl Redact for Policy {
    type Scratch = Scratch;

    /// Appends the redacted event to `out`.
    ///
    /// The event must have been accepted by [`cofferdam_json::check`]; then the output is accepted
    /// by it too (though perhaps longer). What no rule can reach is copied unread, so on bytes
    /// that were *not* checked the output may be as unsound as they are.
    ///
    /// Of what was done `masked` counts what was masked, replaced, truncated and generalized, and `hashed`
    /// what was hashed and tokenized.
    fn redact(
        &self,
        event: &[u8],
        out: &mut Vec<u8>,
        scratch: &mut Scratch,
    ) -> Result<Redactions, Reason> {
        self.redact_with(event, out, scratch, None)
    }
}

impl Policy {
    /// The same, and says in `report` which rules fired and where.
    ///
    /// # Errors
    ///
    /// [`Reason::RedactionFailed`]; nothing of the event stands in `out` then, nor of it in the report.
    pub fn redact_and_report(
        &self,
        event: &[u8],
        out: &mut Vec<u8>,
        scratch: &mut Scratch,
        report: &mut Report,
    ) -> Result<Redactions, Reason> {
        let done = self.redact_with(event, out, scratch, Some(report));
        if done.is_err() {
            report.begin(0);
        }
        done
    }

    fn redact_with(
        &self,
        event: &[u8],
        out: &mut Vec<u8>,
        scratch: &mut Scratch,
        mut report: Option<&mut Report>,
    ) -> Result<Redactions, Reason> {
        if let Some(report) = &mut report {
            report.begin(self.rules());
        }
        let base = out.len();
        let Scratch { buffers, values, levels, decoded, since_residue } = scratch;
        let mut writer = Writer {
            policy: self,
            event,
            out,
            base,
            copied: 0,
            values,
            levels,
            decoded: core::mem::take(decoded),
            named: NAMELESS,
            depth: 0,
            within: "",
            report,
            done: Redactions { policy_version: self.version(), ..Redactions::default() },
        };
        let walked = walk(self.automata(), event, buffers, &mut writer);
        let walked = walked.and_then(|()| writer.copy_to(event.len()));
        let done = writer.done;
        *decoded = writer.decoded;
        let is_sound = walked.is_ok()
            && !self.finds_residue(since_residue, out.get(base..).unwrap_or_default());
        if is_sound {
            Ok(done)
        } else {
            out.truncate(base);
            Err(Reason::RedactionFailed)
        }
    }

    /// Whether a rule still finds something, if it is this event's turn to be looked at. `since` are the events
    /// since the last one that was.
    fn finds_residue(&self, since: &mut u32, redacted: &[u8]) -> bool {
        *since = since.saturating_add(1);
        let is_due = self.residue_every().is_some_and(|every| *since >= every);
        if is_due {
            *since = 0;
        }
        is_due && self.residue(redacted) > 0
    }
}

/// The last name that was written, and how things stood before it.
#[derive(Clone, Copy)]
struct Named {
    /// Where its member begins.
    after: usize,
    written: usize,
    copied: usize,
}

/// No member begins with the event.
const NAMELESS: Named = Named { after: 0, written: 0, copied: 0 };

struct Writer<'a> {
    policy: &'a Policy,
    event: &'a [u8],
    out: &'a mut Vec<u8>,
    base: usize,
    /// Up to where the event has been copied or replaced.
    copied: usize,
    values: &'a mut Values,
    levels: &'a mut Vec<Level>,
    /// A text in which detectors look.
    decoded: Vec<u8>,
    named: Named,
    /// How many strings this is inside of, and where they stand.
    depth: usize,
    within: &'a str,
    report: Option<&'a mut Report>,
    done: Redactions,
}

impl Visit for Writer<'_> {
    fn leaves_out(&self, rule: usize) -> bool {
        matches!(self.policy.action(rule), Action::Omit)
    }

    fn hit(&mut self, hit: &Hit<'_>, spot: &Spot<'_>) -> Result<(), Stop> {
        self.fired(hit.rule, spot);
        let action = self.policy.action(hit.rule);
        if matches!(action, Action::Omit) {
            return self.omit(hit.range);
        }
        self.copy_to(hit.range.start)?;
        self.values.write(self.policy, action, hit, self.event, self.out)?;
        if action.links() {
            self.done.hashed = self.done.hashed.saturating_add(1);
        } else {
            self.done.masked = self.done.masked.saturating_add(1);
        }
        self.replaced_to(hit.range.end)
    }

    fn name(
        &mut self,
        rule: usize,
        name: Text<'_>,
        range: Range,
        spot: &Spot<'_>,
    ) -> Result<(), Stop> {
        self.fired(rule, spot);
        self.named = Named { after: range.after, written: self.out.len(), copied: self.copied };
        self.copy_to(range.start)?;
        let policy = self.policy;
        self.values.write_name(policy, policy.action(rule), name, self.out)?;
        self.done.hashed = self.done.hashed.saturating_add(1);
        self.replaced_to(range.end)
    }

    fn string(
        &mut self,
        at: At,
        text: Text<'_>,
        range: Range,
        spot: &Spot<'_>,
    ) -> Result<(), Stop> {
        if let Some(below) = self.policy.automata().decoded(at) {
            let mut level = self.levels.pop().unwrap_or_default();
            let holds = self.inside(&mut level, below, text, range, spot);
            self.levels.push(level);
            if holds? != Holds::Text {
                return Ok(());
            }
        }
        let Some(rule) = at.under else { return Ok(()) };
        let mut decoded = core::mem::take(&mut self.decoded);
        let done = match core::str::from_utf8(text.decode(&mut decoded)) {
            Ok(text) => self.detect(usize::from(rule), text, range, spot),
            Err(_) => Err(Stop),
        };
        self.decoded = decoded;
        done
    }

    fn number(
        &mut self,
        rule: usize,
        number: Number<'_>,
        range: Range,
        spot: &Spot<'_>,
    ) -> Result<(), Stop> {
        let text = core::str::from_utf8(number.raw()).map_err(|_| Stop)?;
        self.detect(rule, text, range, spot)
    }
}

impl Writer<'_> {
    fn copy_to(&mut self, end: usize) -> Result<(), Stop> {
        self.out.extend_from_slice(self.event.get(self.copied..end).ok_or(Stop)?);
        self.copied = end;
        Ok(())
    }

    /// Something else stands in the output for what the event has up to `end`.
    fn replaced_to(&mut self, end: usize) -> Result<(), Stop> {
        self.copied = end;
        let written = self.out.len() - self.base;
        let most = self.copied.saturating_add(self.policy.max_growth());
        if written > most { Err(Stop) } else { Ok(()) }
    }

    fn fired(&mut self, rule: usize, spot: &Spot<'_>) {
        if let Some(report) = &mut self.report {
            report.fire(rule, spot, self.within, self.policy.automata());
        }
    }

    fn omit(&mut self, range: Range) -> Result<(), Stop> {
        self.done.omitted = self.done.omitted.saturating_add(1);
        self.leave_out(range)
    }

    fn leave_out(&mut self, range: Range) -> Result<(), Stop> {
        if self.named.after == range.after {
            // What the value holds was found out only when the name was written.
            self.out.truncate(self.named.written);
            self.copied = self.named.copied;
        }
        // After a first member that was left out, its comma too is behind us.
        if self.copied < range.after {
            self.copy_to(range.after)?;
        }
        self.copied = range.end;
        if matches!(self.out.last(), Some(b'{' | b'[')) {
            let rest = self.event.get(range.end..).unwrap_or_default();
            let blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r');
            let next = rest.iter().position(|b| !blank(b));
            if let Some(next) = next.filter(|&next| rest[next] == b',') {
                self.copied += next + 1;
            }
        }
        Ok(())
    }

    /// Puts something else for what detectors find in a text.
    fn detect(
        &mut self,
        rule: usize,
        text: &str,
        range: Range,
        spot: &Spot<'_>,
    ) -> Result<(), Stop> {
        let policy = self.policy;
        let Some((mended, found)) = self.values.mend(policy, rule, text)? else { return Ok(()) };
        if policy.automata().decodes_any() && nested::holds(mended) != Holds::Text {
            // With what was found gone, it is JSON that nobody has looked into.
            return self.omit(range);
        }
        self.out.extend_from_slice(self.event.get(self.copied..range.start).ok_or(Stop)?);
        write_string(mended, self.out);
        for _ in 0..found {
            self.fired(rule, spot);
        }
        let count = match policy.action(rule) {
            Action::Omit => &mut self.done.omitted,
            action if action.links() => &mut self.done.hashed,
            _ => &mut self.done.masked,
        };
        *count = count.saturating_add(u32::try_from(found).unwrap_or(u32::MAX));
        self.replaced_to(range.end)
    }

    /// Redacts the JSON in a string.
    fn inside(
        &mut self,
        level: &mut Level,
        at: At,
        text: Text<'_>,
        range: Range,
        spot: &Spot<'_>,
    ) -> Result<Holds, Stop> {
        let Level { wrapped, out, buffers, place } = level;
        match nested::wrap(text, wrapped) {
            Holds::Text => return Ok(Holds::Text),
            // The walk looks into texts. In a name that is a secret nothing can be put in its place.
            Holds::Json
                if self.depth < MAX_DECODED
                    && !(at.under.is_some()
                        && nested::has_name(wrapped, |name| {
                            self.values.finds(self.policy, name)
                        })) => {}
            // Whoever reads it less strictly than we do finds in it what nobody has redacted.
            Holds::Json | Holds::Broken => {
                if let Some(report) = &mut self.report {
                    report.undecoded();
                }
                return self.omit(range).map(|()| Holds::Broken);
            }
        }
        place.clear();
        if self.report.as_ref().is_some_and(|report| report.has_room()) {
            place.push_str(self.within);
            write_place(spot, self.policy.automata(), place);
        }
        out.clear();
        let mut inner = Writer {
            policy: self.policy,
            event: wrapped,
            out,
            base: 0,
            copied: 0,
            values: self.values,
            levels: self.levels,
            decoded: Vec::new(),
            named: NAMELESS,
            depth: self.depth + 1,
            within: place,
            report: self.report.as_deref_mut(),
            done: Redactions::default(),
        };
        walk_wrapped(self.policy.automata(), wrapped, at, buffers, &mut inner)?;
        inner.copy_to(wrapped.len())?;
        let Redactions { masked, hashed, omitted, .. } = inner.done;
        if inner.done.total() == 0 {
            return Ok(Holds::Json);
        }
        self.done.masked = self.done.masked.saturating_add(masked);
        self.done.hashed = self.done.hashed.saturating_add(hashed);
        self.done.omitted = self.done.omitted.saturating_add(omitted);
        // A string in this one may have been left out, and nothing is left in it.
        let Some(inner) = nested::unwrapped(out) else {
            return self.leave_out(range).map(|()| Holds::Json);
        };
        self.copy_to(range.start)?;
        write_string(core::str::from_utf8(inner).map_err(|_| Stop)?, self.out);
        self.replaced_to(range.end).map(|()| Holds::Json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PolicyDocument, PolicyLimits, RedactionKey, Rule, Strategy};

    fn policy(rules: Vec<Rule>) -> Policy {
        let key = RedactionKey::new([7; 32], 1);
        Policy::compile(&PolicyDocument::new("acme", rules), &key, PolicyLimits::default()).unwrap()
    }

    /// D6: a slip of the pass would go nowhere. There is none to show it by, so the pass is left out here.
    #[test]
    fn an_output_in_which_a_rule_still_finds_something_is_no_output() {
        let masked = policy(vec![Rule::new("$..a", Strategy::Mask)]);
        assert!(masked.finds_residue(&mut 0, br#"{"b":[{"a":1}]}"#));
        assert!(!masked.finds_residue(&mut 0, br#"{"b":[{"a":"****"}]}"#));
        // Those that move up are found where they are.
        let omitted = policy(vec![Rule::new("$.a[0]", Strategy::Omit)]);
        assert!(!omitted.finds_residue(&mut 0, br#"{"a":[1]}"#));
    }
}
