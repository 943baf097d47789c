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
//! its memory. So from time to time, or after [some thousands of changes](LiveRules::changes), compile the
//! whole document again, on another thread; apply what changed in the meantime to the new rules; and go on
//! with these.

use core::hash::Hasher;
use std::{collections::BTreeMap, sync::Arc};

use cofferdam_core::{Scoped, TenantId, pipeline::RouteId};
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::{
    compile::{CompileError, CompileFault, Compiled, Compiler},
    document::{Subscription, SubscriptionDocument},
    filing::{Crowds, Rules, Shelf, others},
    graph::FilterGraph,
    layer::{Filed, Layer},
    mapping::Mapping,
    numbers::{Building, Known},
    rules::{Bits, Lists, Residue, Residues},
    targets::Targets,
    translate::{AnyOf, Rule, Translator},
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

/// What is needed to take rules out of the first layer.
struct Base {
    layer: Layer,
    crowds: Crowds,
    /// Of each rule that is left, its fingerprint; in order.
    left: Vec<u128>,
    /// By fingerprint: how many of these rules were taken out.
    taken: BTreeMap<u128, usize>,
    /// By list and place: how many copies were taken out of it.
    fewer: BTreeMap<(List, u32), u32>,
}

/// What was added since.
struct Recent {
    numbers: Building,
    rules: Vec<(u128, Rule, RouteId)>,
}

/// One of the lists that lead to routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum List {
    ByPattern,
    ByClass,
    Roots,
}

/// A rule, or a term of one, as it was filed: its list, the numbers that it stands under, and the rest.
struct Filing<'r> {
    list: List,
    under: Vec<u32>,
    rest: Residue,
    residues: &'r Residues,
}

impl LiveRules {
    pub(crate) fn new(
        compiler: Compiler,
        mapping: Mapping,
        document: &SubscriptionDocument,
        compiled: Compiled,
    ) -> Self {
        let Compiled { graph, crowds, targets } = compiled;
        let fingerprint = |rule| fingerprint(&compiler, rule);
        let mut left: Vec<u128> = document.subscriptions.iter().map(fingerprint).collect();
        left.sort_unstable();
        let recent = Recent {
            numbers: Building::over(&compiler, (*graph.shape).clone()),
            rules: Vec::new(),
        };
        // A graph has at least the layer that was filed first.
        let layer = graph.layers[0].clone();
        let base = Base { layer, crowds, left, taken: BTreeMap::new(), fewer: BTreeMap::new() };
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

    /// Adds a rule.
    ///
    /// # Errors
    ///
    /// [`CompileError`] with the place of the mistake within the subscription; nothing has changed then.
    pub fn add(&mut self, subscription: &Subscription) -> Result<(), CompileError> {
        let (numbers, targets) = (self.recent.numbers.clone(), self.targets.list.len());
        let mut pointer = String::new();
        self.try_add(subscription, &mut pointer).map_err(|fault| {
            self.recent.numbers = numbers;
            self.targets.truncate(targets);
            CompileError { pointer, fault }
        })
    }

    fn try_add(
        &mut self,
        subscription: &Subscription,
        pointer: &mut String,
    ) -> Result<(), CompileFault> {
        if self.graph.rule_count >= self.compiler.max_rules {
            return Err(CompileFault::TooManyRules);
        }
        let Self { compiler, mapping, targets, recent, .. } = self;
        let numbers = &mut recent.numbers;
        let (rule, route) = compiler.read(subscription, mapping, numbers, targets, pointer)?;
        recent.rules.push((fingerprint(compiler, subscription), rule, route));
        let published = self.publish(self.graph.rule_count + 1);
        if published.is_err() {
            self.recent.rules.pop();
        }
        published
    }

    /// Takes out one rule that is written like this one. `false` if there is none; nothing has changed
    /// then.
    pub fn remove(&mut self, subscription: &Subscription) -> bool {
        let print = fingerprint(&self.compiler, subscription);
        let recent = self.recent.rules.iter().rposition(|(own, _, _)| *own == print);
        if let Some(recent) = recent {
            self.recent.rules.remove(recent);
            if self.recent.rules.is_empty() {
                let shape = (*self.graph.shape).clone();
                self.recent.numbers = Building::over(&self.compiler, shape);
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
        for filing in filings(&rule, &filed, &self.base.crowds) {
            self.base.take(&filing, route);
        }
        self.base.taken.insert(print, taken + 1);
        true
    }

    /// Makes the graph of the rules as they are now.
    fn publish(&mut self, rule_count: usize) -> Result<(), CompileFault> {
        let mut rules = Rules::default();
        for (_, rule, route) in &self.recent.rules {
            rules.push(rule.clone(), *route);
        }
        let mut layers = vec![self.base.layer.clone()];
        let mut shape = Arc::clone(&self.graph.shape);
        if !self.recent.rules.is_empty() {
            let (own, filed, _) = self.recent.numbers.clone().file(&self.compiler, &rules)?;
            layers.push(Layer { filed: Arc::new(filed), gone: Arc::default() });
            shape = Arc::new(own);
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

impl Base {
    /// Takes a rule from where it was filed: one of its copies, or with the last one the rule.
    fn take(&mut self, filing: &Filing<'_>, route: RouteId) {
        let filed = &self.layer.filed;
        let none = Lists::default();
        let roots = filed.scoped.as_ref().map_or(&none, |scoped| &scoped.roots);
        let lists = match filing.list {
            List::ByPattern => &filed.by_pattern,
            List::ByClass => &filed.by_class,
            List::Roots => roots,
        };
        let gone = Arc::make_mut(&mut self.layer.gone);
        let gone: &mut Bits = match filing.list {
            List::ByPattern => &mut gone.by_pattern,
            List::ByClass => &mut gone.by_class,
            List::Roots => &mut gone.roots,
        };
        for &number in &filing.under {
            let found = lists.find(number, |rule| {
                rule.then == route.0 && filing.residues.is(rule.residue, &filing.rest)
            });
            let Some((place, copies)) = found else { continue };
            let fewer = self.fewer.entry((filing.list, place)).or_insert(0);
            *fewer += 1;
            if *fewer >= copies {
                gone.insert(place as usize);
            }
        }
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

fn numbers(any_of: &AnyOf) -> Vec<u32> {
    any_of.iter().map(|class| class.0).collect()
}

/// Where a rule of the first layer was filed.
fn filings<'f>(rule: &Rule, filed: &'f Filed, crowds: &Crowds) -> Vec<Filing<'f>> {
    let mut rest = Residue::default();
    match rule {
        Rule::Typed { patterns, conditions } => {
            let (list, under) = match crowds.shelf_of_typed(patterns, conditions) {
                Shelf::Types => {
                    rest.write(&[], conditions.iter());
                    (List::ByPattern, patterns.iter().map(|pattern| pattern.0).collect())
                }
                Shelf::Condition(own, any_of) => {
                    rest.write(patterns, others(conditions, own));
                    (List::ByClass, numbers(any_of))
                }
            };
            vec![Filing { list, under, rest, residues: &filed.residues }]
        }
        Rule::Pattern(terms) => {
            let Some(scoped) = &filed.scoped else { return Vec::new() };
            let filing = |conditions: &[AnyOf]| {
                let (own, any_of) = crowds.shelf_of_pattern(conditions)?;
                let mut rest = Residue::default();
                rest.write(&[], others(conditions, own))?;
                let under = numbers(any_of);
                Some(Filing { list: List::Roots, under, rest, residues: &scoped.residues })
            };
            terms.iter().filter_map(|term| filing(term)).collect()
        }
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
