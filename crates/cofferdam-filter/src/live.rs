//! Rules that change while events go by.
//!
//! Filing a million rules takes seconds; adding one must not. So a graph has two layers: what was filed
//! once and for all, and what was added since, which is small and is filed anew at each change. Of the first
//! only the rules that were taken out are marked. Each change makes another graph, which shares all that did
//! not change: whoever judges an event has one graph in hand and judges it by that one alone, and nobody
//! waits for anybody.
//!
//! A rule is taken out by being read again: its parts have the numbers that they had, so it is found where it
//! was filed. Rules that are the same in what they ask and in where they lead are filed once and
//! counted, and go when the last of them goes.
//!
//! What was added costs an event one more look for each of its values, and what was taken out keeps
//! its memory and, of event patterns, its time, until the last of them is gone. A path that nothing watched
//! before makes a copy of the tree of all paths. So from time to time, or after [some thousands of changes](LiveRules::changes), compile the
//! whole document again, on another thread; apply what changed in the meantime to the new rules; and go on
//! with these.

use core::hash::Hasher;
use std::{collections::BTreeMap, sync::Arc};

use cofferdam_core::{Scoped, TenantId, pipeline::RouteId};
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::{
    compile::{CompileError, CompileFault, Compiled, Compiler},
    document::{Subscription, SubscriptionDocument},
    filing::Rules,
    graph::FilterGraph,
    layer::{Gone, Layer},
    mapping::Mapping,
    numbers::{Building, Known},
    taken::Base,
    targets::Targets,
    translate::{Rule, Translator},
};

/// One tenant's rules, and the graph of them at this moment.
///
/// ```
/// use cofferdam_filter::{Compiler, Mapping, Subscription, SubscriptionDocument};
///
/// let document = SubscriptionDocument::parse(br#"{"tenantId":"acme","subscriptions":[]}"#)?;
/// let mut rules = Compiler::new([5; 16]).compile_live(&document, Mapping::genesys_cloud(), None)?;
/// let added = Subscription::parse(br#"{"eventType":"v2.users.>","targetQueue":"queue://users"}"#)?;
/// rules.add(&added)?;
/// let graph = rules.graph(); // put it where events are judged
/// assert_eq!(graph.rule_count(), 1);
/// assert!(rules.remove(&added));
/// assert_eq!((graph.rule_count(), rules.graph().rule_count()), (1, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct LiveRules {
    compiler: Compiler,
    mapping: Mapping,
    graph: Arc<FilterGraph>,
    targets: Targets,
    base: Base,
    recent: Recent,
    changes: usize,
}

/// What was added since.
struct Recent {
    numbers: Building,
    rules: Vec<Added>,
    /// How many were taken out again since the numbers were given.
    stale: usize,
}

struct Added {
    print: u128,
    subscription: Subscription,
    rule: Rule,
    route: RouteId,
}

impl LiveRules {
    pub(crate) fn new(
        compiler: Compiler,
        mapping: Mapping,
        document: &SubscriptionDocument,
        compiled: Compiled,
    ) -> Self {
        let Compiled { graph, crowds, targets, parts } = compiled;
        let fingerprint = |rule| fingerprint(&compiler, rule);
        let mut left: Vec<u128> = document.subscriptions.iter().map(fingerprint).collect();
        left.sort_unstable();
        let shape = Arc::clone(&graph.shape);
        let numbers = Building::over(&compiler, Arc::clone(&shape));
        let is_pattern = |rule: &&Subscription| rule.event_pattern.is_some();
        let base = Base {
            // A graph has at least the layer that was filed first.
            layer: graph.layers[0].clone(),
            shape,
            types: crowds.types.clone(),
            crowds,
            patterns: document.subscriptions.iter().filter(is_pattern).count(),
            parts,
            left,
            taken: BTreeMap::new(),
            fewer: BTreeMap::new(),
        };
        let recent = Recent { numbers, rules: Vec::new(), stale: 0 };
        Self { compiler, mapping, graph: Arc::new(graph), targets, base, recent, changes: 0 }
    }

    /// The graph of the rules as they are now. It never changes; ask again after a change.
    #[must_use]
    pub fn graph(&self) -> Arc<FilterGraph> {
        Arc::clone(&self.graph)
    }

    /// How many changes there were since the whole document was compiled. Some thousands are well; more
    /// make each change slower.
    #[must_use]
    pub fn changes(&self) -> usize {
        self.changes
    }

    /// Adds a rule. What it may cost is held against the compiler's bounds together with all rules that
    /// are left, as if they were compiled at once.
    ///
    /// # Errors
    ///
    /// [`CompileError`] with the place of the mistake within the subscription; nothing has changed then.
    pub fn add(&mut self, subscription: &Subscription) -> Result<(), CompileError> {
        let added = self.try_add(subscription);
        if added.is_ok() || self.recent.stale == 0 {
            return added;
        }
        // It may be that only what was taken out is in the way.
        self.number_anew();
        self.try_add(subscription)
    }

    fn try_add(&mut self, subscription: &Subscription) -> Result<(), CompileError> {
        let (before, count) = (self.recent.numbers.clone(), self.targets.list.len());
        let mut pointer = String::new();
        let Self { compiler, mapping, targets, recent, .. } = self;
        let full =
            (self.graph.rule_count >= compiler.max_rules).then_some(CompileFault::TooManyRules);
        let read = match full {
            Some(fault) => Err(fault),
            None => {
                compiler.read(subscription, mapping, &mut recent.numbers, targets, &mut pointer)
            }
        };
        let added = read.and_then(|(rule, route)| {
            let print = fingerprint(&self.compiler, subscription);
            let subscription = subscription.clone();
            self.recent.rules.push(Added { print, subscription, rule, route });
            self.publish(self.graph.rule_count + 1).inspect_err(|_| drop(self.recent.rules.pop()))
        });
        added.map_err(|fault| {
            self.recent.numbers = before;
            self.targets.truncate(count);
            CompileError { pointer, fault }
        })
    }

    /// Forgets the parts of rules that were added and taken out again.
    fn number_anew(&mut self) {
        let Self { compiler, mapping, targets, base, recent, .. } = self;
        recent.numbers = Building::over(compiler, Arc::clone(&base.shape));
        recent.stale = 0;
        targets.truncate(0);
        for Added { subscription, rule, route, .. } in &mut recent.rules {
            let numbers = &mut recent.numbers;
            let read = compiler.read(subscription, mapping, numbers, targets, &mut String::new());
            // What was read before is read again.
            if let Ok(again) = read {
                (*rule, *route) = again;
            }
        }
    }

    /// Takes out one rule that is written like this one. `false` if there is none; nothing has changed
    /// then.
    pub fn remove(&mut self, subscription: &Subscription) -> bool {
        let print = fingerprint(&self.compiler, subscription);
        let recent = self.recent.rules.iter().rposition(|added| added.print == print);
        if let Some(recent) = recent {
            self.recent.rules.remove(recent);
            self.recent.stale += 1;
            if self.recent.stale > self.recent.rules.len() {
                self.number_anew();
            }
        } else if !self.take_from_base(print, subscription) {
            return false;
        }
        // What was filed before can be filed without one of its rules.
        self.publish(self.graph.rule_count.saturating_sub(1)).is_ok()
    }

    fn take_from_base(&mut self, print: u128, subscription: &Subscription) -> bool {
        let left = &self.base.left;
        let first = left.partition_point(|own| *own < print);
        let count = left[first..].iter().take_while(|own| **own == print).count();
        let taken = self.base.taken.get(&print).copied().unwrap_or(0);
        let Some(route) = self.targets.get(&subscription.target_queue) else { return false };
        if taken >= count {
            return false;
        }
        let filed = Arc::clone(&self.base.layer.filed);
        let mut known = Known { shape: &self.graph.shape, filed: &filed };
        let mut translator = Translator { mapping: &self.mapping, numbers: &mut known };
        let Ok(rule) = translator.rule(subscription, &mut String::new()) else { return false };
        self.base.take(&rule, route);
        self.base.taken.insert(print, taken + 1);
        true
    }

    /// Makes the graph of the rules as they are now.
    fn publish(&mut self, rule_count: usize) -> Result<(), CompileFault> {
        let Self { compiler, base, recent, .. } = self;
        let mut rules = Rules::default();
        for Added { rule, route, .. } in &recent.rules {
            rules.push(rule.clone(), *route);
        }
        let mut layers = vec![base.layer.clone()];
        let mut shape = Arc::clone(&base.shape);
        if !recent.rules.is_empty() {
            let values = base.layer.filed.interner.len() + recent.numbers.interner.len();
            let parts = base.parts + recent.numbers.parts + rules.parts();
            if values > compiler.max_values || parts > compiler.max_parts() {
                return Err(CompileFault::TooManyValues);
            }
            let (own, filed, crowds) = recent.numbers.clone().file(compiler, &rules)?;
            if base
                .layer
                .scoped()
                .zip(filed.scoped.as_ref())
                .is_some_and(|(base, recent)| base.dearest_with(recent) > compiler.max_steps)
            {
                return Err(CompileFault::TooCostly);
            }
            let mut gone = Gone::default();
            let unnamed = crowds.types.iter().enumerate().filter(|(_, count)| **count == 0);
            unnamed.for_each(|(pattern, _)| gone.types.insert(pattern));
            layers.push(Layer { filed: Arc::new(filed), gone: Arc::new(gone) });
            shape = own;
        }
        self.graph = Arc::new(FilterGraph {
            tenant: self.graph.tenant.clone(),
            targets: Arc::clone(&self.graph.targets),
            more_targets: self.targets.list.clone(),
            shape,
            layers,
            rule_count,
        });
        self.changes += 1;
        Ok(())
    }
}

impl Scoped for LiveRules {
    fn tenant(&self) -> &TenantId {
        self.graph.tenant()
    }
}

impl core::fmt::Debug for LiveRules {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let rules = &self.graph.rule_count;
        f.debug_struct("LiveRules").field("rules", rules).finish_non_exhaustive()
    }
}

/// What two subscriptions have in common if they are written alike, and no others that anybody can find
/// without the key.
fn fingerprint(compiler: &Compiler, subscription: &Subscription) -> u128 {
    let mut hasher = SipHasher13::new_with_key(&compiler.hash_key);
    // What was read from JSON can be written as such.
    hasher.write(&serde_json::to_vec(subscription).unwrap_or_default());
    hasher.finish128().as_u128()
}
