//! Figures of a graph: what it holds and what it may cost, for metrics.

use crate::{
    graph::FilterGraph,
    layer::{Filed, Gone, Layer},
    pattern::scopes::{Absence, Scoped},
};

/// What a graph holds. Of rules that were taken out nothing but their number is gone: what they consist
/// of stays until the whole document is compiled again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Statistics {
    /// The rules.
    pub rules: usize,
    /// One, or two if rules were added since the whole document was compiled.
    pub layers: usize,
    /// The places of an event whose values are looked at, and the segments of its type that are.
    pub watched_places: usize,
    /// The values and conditions that rules name, each once for each place; the classes of events' values.
    pub values: usize,
    /// The patterns of event types.
    pub event_types: usize,
    /// What is left to ask of rules once their turn has come, where many have that in common.
    pub residues: usize,
    /// The entries of all lists by which rules are found. A rule is filed under each value of one of its
    /// conditions, and so is each pattern for objects.
    pub entries: usize,
    /// The entries of the longest such list: what one value or one type costs at most.
    pub longest_list: usize,
    /// The steps that one value of the dearest field costs at most, of which a compiler allows
    /// [so many](crate::Compiler::with_max_steps).
    pub steps: usize,
    /// About how many bytes it holds, with what it shares with other graphs of the same rules.
    pub bytes: usize,
}

impl FilterGraph {
    /// Counts what the graph holds. It goes once over the lists and names and copies nothing: cheap beside
    /// an interval of metrics, and not beside an event.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let targets = self.targets.iter().chain(&self.more_targets);
        let texts: usize = targets.map(|target| size_of::<String>() + target.capacity()).sum();
        let mut sum = Statistics {
            rules: self.rule_count,
            layers: self.layers.len(),
            watched_places: self.shape.paths.watched(),
            bytes: size_of::<Self>() + texts + self.shape.paths.bytes(),
            ..Statistics::default()
        };
        self.layers.iter().for_each(|layer| sum.add(layer));
        sum
    }
}

impl Statistics {
    fn add(&mut self, Layer { filed, gone }: &Layer) {
        let Filed { interner, types, residues, by_pattern, by_class, scoped } = &**filed;
        self.values += interner.len();
        self.event_types += types.len();
        self.residues += residues.len();
        self.bytes += size_of::<Layer>() + interner.bytes() + types.bytes() + residues.bytes();
        let Gone { by_pattern: patterns, by_class: classes, roots, types: all, .. } = &**gone;
        self.bytes += patterns.bytes() + classes.bytes() + roots.bytes() + all.bytes();
        let mut lists = vec![by_pattern, by_class];
        if let Some(Scoped { residues, inner, roots, tests, absences, steps: _ }) = scoped {
            lists.extend([inner, roots]);
            self.residues += residues.len();
            self.bytes += residues.bytes();
            self.bytes += size_of_val(&**tests);
            let mut steps = inner.longest();
            for tests in tests.iter().flatten() {
                steps = steps.max(tests.steps());
                self.bytes += size_of_val(&**tests) + tests.bytes();
            }
            self.steps += steps;
            let own = |absences: &Vec<Absence>| {
                size_of::<Vec<Absence>>() + absences.capacity() * size_of::<Absence>()
            };
            self.bytes += absences.iter().map(own).sum::<usize>();
        }
        for list in lists {
            self.entries += list.len();
            self.longest_list = self.longest_list.max(list.longest());
            self.bytes += list.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{Compiler, Mapping, Subscription, SubscriptionDocument};

    fn document(subscriptions: &[Value]) -> SubscriptionDocument {
        let document = json!({"tenantId": "acme", "subscriptions": subscriptions}).to_string();
        SubscriptionDocument::parse(document.as_bytes()).unwrap()
    }

    fn statistics(subscriptions: &[Value]) -> Statistics {
        let mapping = Mapping::generic(&["type"]);
        let document = document(subscriptions);
        Compiler::new([1; 16]).compile(&document, &mapping, None).unwrap().statistics()
    }

    #[test]
    fn counts_what_rules_consist_of() {
        let typed = |state: &str, queue: u32| json!({"eventType": "a.*", "filters": {"q": [queue, queue + 1], "s": state}, "targetQueue": "queue://q"});
        let rules = [typed("on", 1), typed("on", 3), typed("off", 4)];
        let found = statistics(&rules);
        assert_eq!((found.rules, found.layers, found.event_types), (3, 1, 1));
        assert_eq!(found.watched_places, 3, "type, q and s");
        assert_eq!(found.values, 7, "five queues and two states");
        // The first is filed under its two queues, the others, which share one, under their states.
        assert_eq!((found.residues, found.entries), (3, 4));
        assert_eq!((found.longest_list, found.steps), (1, 0));
        let pattern = json!({"eventPattern": {"o": {"n": [{"numeric": [">", 1]}, {"wildcard": "a*b"}, {"prefix": "a"}]}}, "targetQueue": "queue://p"});
        let found = statistics(&[pattern]);
        assert_eq!((found.values, found.residues, found.entries), (4, 1, 4));
        assert_eq!(found.steps, 16 + 1 + 1);
    }

    #[test]
    fn a_layer_is_counted_and_bytes_grow_with_what_is_held() {
        let rule =
            |n: u32| json!({"eventType": "t", "filters": {"q": n}, "targetQueue": "queue://q"});
        let many: Vec<Value> = (0..1_000).map(rule).collect();
        let (small, large) = (statistics(&many[..100]), statistics(&many));
        assert!(large.bytes > 5 * small.bytes && large.bytes < 200_000, "{large:?} {small:?}");
        let mapping = Mapping::generic(&["type"]);
        let mut live =
            Compiler::new([1; 16]).compile_live(&document(&many), mapping, None).unwrap();
        let added = Subscription::parse(rule(5_000).to_string().as_bytes()).unwrap();
        live.add(&added).unwrap();
        let both = live.graph().statistics();
        assert_eq!((both.rules, both.layers, both.values), (1_001, 2, 1_001));
        assert!(both.bytes > large.bytes);
    }
}
