//! Several events judged together, so that the memory that they wait for is waited for once.
//!
//! With a million rules the tables no longer fit the caches. To find a value is then a chain of misses:
//! the slot of the table, the entry, its bytes, the class's stamp and its list, the list's rules. Each link
//! is known only when the one before it has arrived, so one event alone waits for all of them. But the
//! chains of sixteen events are independent, and a processor has ten or so misses in flight. So the events
//! are walked first and their values only written down; then each link is looked at for all values
//! of all events before the next one; and when the events are judged at last, one by one and by the same
//! code as a single event, everything is near.
//!
//! That is a prefetch without the instruction: what is looked at is really used, the slot to see whether
//! the value can be anybody's and the sum of the rest so that it is not left out. Small sets of rules
//! gain nothing and pay some nanoseconds for the writing down.

use core::{hint::black_box, ops::Range};

use cofferdam_core::pipeline::{Filter, Verdict};

use crate::{
    event_type::{PatternId, TypeScratch},
    graph::{FilterGraph, Scratch, verdict},
    interner::{Class, Kind},
    layer::{Layer, Sight, segment},
    notes::Notes,
    path::{Field, Place},
    walk::{self, Stop, Walked},
};

/// So many events are walked before they are judged: enough misses to keep a processor busy, and few enough
/// events that their bytes are still near.
const TOGETHER: usize = 16;

/// What is written down of the events of a batch.
#[derive(Clone, Default)]
pub(crate) struct Later {
    values: Vec<Value>,
    /// The values' bytes, one after the other.
    text: Vec<u8>,
    /// The patterns that a type fits, each with the number of its layer.
    patterns: Vec<(u32, PatternId)>,
    types: TypeScratch,
}

#[derive(Clone)]
struct Value {
    /// If it is needed.
    hash: Option<u64>,
    field: Field,
    kind: Kind,
    text: Range<usize>,
    /// Where the first layer may have it, and as what.
    entry: Option<u32>,
    class: Option<Class>,
}

/// One event's part of what is written down.
struct Part {
    walked: Result<Walked, Stop>,
    values: Range<usize>,
    patterns: Range<usize>,
}

impl FilterGraph {
    /// Judges events as [`filter`](Filter::filter) does, and calls `judged` with the number of each and what is
    /// said of it, in order. With many rules that takes less time than one by one.
    pub fn filter_batch(
        &self,
        events: &[&[u8]],
        scratch: &mut Scratch,
        mut judged: impl FnMut(usize, Verdict<'_>),
    ) {
        if self.has_event_patterns() {
            // A pattern is judged while its event is walked.
            for (number, event) in events.iter().enumerate() {
                judged(number, self.filter(event, scratch));
            }
            return;
        }
        for (chunk, first) in events.chunks(TOGETHER).zip((0..).step_by(TOGETHER)) {
            scratch.later.clear();
            let parts: [Option<Part>; TOGETHER] = core::array::from_fn(|at| {
                chunk.get(at).map(|event| self.write_down(event, scratch))
            });
            self.bring_near(scratch);
            for (number, part) in (first..).zip(parts.into_iter().flatten()) {
                self.judge(part, scratch, |verdict| judged(number, verdict));
            }
        }
    }

    /// Walks an event and writes down what it holds.
    fn write_down(&self, event: &[u8], scratch: &mut Scratch) -> Part {
        let Scratch { sights, window, walk, later, .. } = scratch;
        if walk.begin(self.shape.paths.len()) {
            sights.iter_mut().for_each(|sight| sight.scopes.forget());
        }
        let (values, patterns) = (later.values.len(), later.patterns.len());
        let walked = walk::walk(self, event, window, walk, later);
        Part {
            walked,
            values: values..later.values.len(),
            patterns: patterns..later.patterns.len(),
        }
    }

    /// Looks at everything that judging will look at, link by link. The first layer is the large one.
    fn bring_near(&self, scratch: &mut Scratch) {
        let Scratch { sights, later, .. } = scratch;
        let (Some(layer), Some(sight)) = (self.layers.first(), sights.first()) else { return };
        let filed = &*layer.filed;
        for value in &mut later.values {
            value.entry = value.hash.and_then(|hash| filed.interner.guess(hash));
        }
        for value in &mut later.values {
            value.class = value.entry.and_then(|entry| filed.interner.glance(entry));
        }
        let classes = || later.values.iter().filter_map(|value| value.class);
        let mut sum = 0_u32;
        for class in classes() {
            sum = sum
                .wrapping_add(sight.seen.glance(class))
                .wrapping_add(filed.by_class.glance(class.0));
        }
        for class in classes() {
            sum = sum.wrapping_add(filed.by_class.glance_at_rules(class.0));
        }
        black_box(sum);
    }

    fn judge(&self, part: Part, scratch: &mut Scratch, judged: impl FnOnce(Verdict<'_>)) {
        let Scratch { sights, routes, later, .. } = scratch;
        routes.clear();
        if sights.len() < self.layers.len() {
            sights.resize_with(self.layers.len(), Sight::default);
        }
        if let Ok(Walked { is_wanted: true, .. }) = part.walked {
            let values = later.values.get(part.values).unwrap_or_default();
            let patterns = later.patterns.get(part.patterns).unwrap_or_default();
            for ((number, layer), sight) in (0..).zip(&self.layers).zip(sights) {
                layer.begin(sight, self.shape.paths.len(), 0);
                let own = patterns.iter().filter(|(layer, _)| *layer == number);
                own.for_each(|(_, pattern)| sight.seen.pattern(*pattern));
                for Value { hash, field, kind, text, .. } in values {
                    let text = later.text.get(text.clone()).unwrap_or_default();
                    let class = layer.filed.interner.get_by(&mut hash.clone(), *field, *kind, text);
                    class.into_iter().for_each(|class| sight.seen.class(class));
                }
                layer.collect(&mut sight.seen, routes);
            }
        }
        judged(verdict(part.walked, routes));
    }
}

impl Later {
    fn clear(&mut self) {
        self.values.clear();
        self.text.clear();
        self.patterns.clear();
    }

    fn push(&mut self, field: Field, kind: Kind, text: &[u8], layers: &[Layer]) {
        let (mut is_hashed, mut is_looked_for) = (false, false);
        for layer in layers {
            let (hashed, looked_for) = layer.filed.interner.needs(field, kind);
            is_hashed |= hashed;
            is_looked_for |= looked_for;
        }
        let Some(first) = layers.first().filter(|_| is_looked_for) else { return };
        let hash = is_hashed.then(|| first.filed.interner.hash(field, kind, text));
        let start = self.text.len();
        self.text.extend_from_slice(text);
        let text = start..self.text.len();
        self.values.push(Value { hash, field, kind, text, entry: None, class: None });
    }
}

impl Notes for Later {
    fn event_type(
        &mut self,
        event_type: &[u8],
        layers: &[Layer],
        segments: &[(u16, Field)],
    ) -> bool {
        let before = self.patterns.len();
        for (number, layer) in (0..).zip(layers) {
            let Self { patterns, types, .. } = self;
            layer.filed.types.find(event_type, types, |pattern| {
                if !layer.gone.types.has(pattern.0 as usize) {
                    patterns.push((number, pattern));
                }
            });
        }
        let is_wanted = self.patterns.len() > before;
        for &(index, field) in segments.iter().filter(|_| is_wanted) {
            if let Some(text) = segment(event_type, index) {
                self.push(field, Kind::String, text, layers);
            }
        }
        is_wanted
    }

    fn value(&mut self, _: Place, field: Field, (kind, value): (Kind, &[u8]), layers: &[Layer]) {
        self.push(field, kind, value, layers);
    }

    fn open(&mut self, _: Place, _: u32, _: &[Layer]) {}
    fn close(&mut self, _: Place, _: &[Layer]) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Compiler, Mapping, SubscriptionDocument};

    /// S04: of one batch nothing is written down when the next one begins.
    #[test]
    fn nothing_is_kept_from_one_batch_to_the_next() {
        let document = br#"{"tenantId":"acme","subscriptions":[
            {"eventType":"t","filters":{"kind":["x","y"]},"targetQueue":"queue://q"}]}"#;
        let document = SubscriptionDocument::parse(document).unwrap();
        let mapping = Mapping::generic(&["type"]);
        let graph = Compiler::new([1; 16]).compile(&document, &mapping, None).unwrap();
        let event = &br#"{"type":"t","kind":"x"}"#[..];
        let mut scratch = Scratch::default();
        let mut written = Vec::new();
        for _ in 0..3 {
            graph.filter_batch(&[event; 40], &mut scratch, |_, _| {});
            let Later { values, text, patterns, .. } = &scratch.later;
            written.push((values.len(), text.len(), patterns.len()));
        }
        // The last of three parts, which has eight events.
        assert_eq!(written, [(8, 8, 8); 3]);
    }
}
