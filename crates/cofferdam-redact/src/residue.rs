//! What a redaction should have left nothing of.

use cofferdam_json::{Number, Text, Token};

use crate::{
    Policy,
    action::Action,
    automata::At,
    nested::{self, Holds},
    walk::{Buffers, Hit, Range, Spot, Stop, Visit, walk, walk_wrapped},
};

impl Policy {
    /// Counts the places of an already redacted event where a rule would still fire on a value that
    /// does not look redacted; one more if the bytes cannot be read. For tests and audits, and for the pass
    /// itself ([`PolicyLimits::with_residue_every`](crate::PolicyLimits::with_residue_every)): a
    /// value that was *sent* in the shape of a mask or a digest cannot be told from one, and where a
    /// rule leaves out elements by index, those that moved up to their place are counted.
    #[must_use]
    pub fn residue(&self, redacted: &[u8]) -> usize {
        let mut count = Residue { policy: self, event: redacted, places: 0 };
        let walked = walk(self.automata(), redacted, &mut Buffers::default(), &mut count);
        count.places + usize::from(walked.is_err())
    }
}

struct Residue<'a> {
    policy: &'a Policy,
    event: &'a [u8],
    places: usize,
}

impl Visit for Residue<'_> {
    fn leaves_out(&self, rule: usize) -> bool {
        matches!(self.policy.action(rule), Action::Omit)
    }

    fn hit(&mut self, hit: &Hit<'_>, _: &Spot<'_>) -> Result<(), Stop> {
        let value = self.event.get(hit.range.start..hit.range.end).ok_or(Stop)?;
        let mut buffer = Vec::new();
        let text = match hit.token {
            Token::String(text) => Some(text.decode(&mut buffer)),
            _ => None,
        };
        self.places += usize::from(!self.policy.action(hit.rule).fits(value, text));
        Ok(())
    }

    fn name(&mut self, rule: usize, name: Text<'_>, _: Range, _: &Spot<'_>) -> Result<(), Stop> {
        let mut buffer = Vec::new();
        let name = name.decode(&mut buffer);
        self.places += usize::from(!self.policy.action(rule).fits(b"", Some(name)));
        Ok(())
    }

    /// What stands for a secret in a text may look like one to another detector.
    fn number(&mut self, _: usize, _: Number<'_>, _: Range, _: &Spot<'_>) -> Result<(), Stop> {
        Ok(())
    }

    fn string(&mut self, at: At, text: Text<'_>, _: Range, _: &Spot<'_>) -> Result<(), Stop> {
        let automata = self.policy.automata();
        let Some(below) = automata.decoded(at) else { return Ok(()) };
        let mut wrapped = Vec::new();
        match nested::wrap(text, &mut wrapped) {
            Holds::Text => {}
            Holds::Broken => self.places += 1,
            Holds::Json => {
                let mut inner = Residue { policy: self.policy, event: &wrapped, places: 0 };
                walk_wrapped(automata, &wrapped, below, &mut Buffers::default(), &mut inner)?;
                self.places += inner.places;
            }
        }
        Ok(())
    }
}
