//! Files each rule under what the fewest others ask for.

use core::mem;
use std::sync::Arc;

use cofferdam_core::pipeline::RouteId;

use crate::{
    compile::{CompileFault, Compiler},
    event_type::PatternId,
    graph::Shape,
    interner::Class,
    layer::Filed,
    numbers::Building,
    pattern::scopes::Scoped,
    rules::{Lists, Posting, ResidueBuilder, Residues},
    translate::{AnyOf, Rule},
};

/// Rules to be filed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    typed: Vec<Typed>,
    /// The patterns of whole events.
    roots: Vec<Conjunction>,
    /// How many classes the patterns name together.
    parts: usize,
}

#[derive(Debug, Clone)]
struct Typed {
    patterns: Box<[PatternId]>,
    conditions: Box<[AnyOf]>,
    route: RouteId,
}

/// What follows if all conditions hold in one object.
#[derive(Debug, Clone)]
pub(crate) struct Conjunction {
    pub(crate) conditions: Box<[AnyOf]>,
    pub(crate) then: u32,
}

/// How many of the dearest values every event may have, however short it is.
const VALUES: usize = 64;

/// How many rules ask for what: what a rule is filed by.
#[derive(Debug, Default)]
pub(crate) struct Crowds {
    pub(crate) types: Vec<u32>,
    values: Vec<u32>,
    /// By class, of event patterns.
    asked: Vec<u32>,
}

/// Where a rule is filed.
pub(crate) enum Shelf<'r> {
    /// Under its types.
    Types,
    /// Under the classes of this condition, which has this number.
    Condition(usize, &'r AnyOf),
}

impl Building {
    /// Files rules whose parts were numbered here, if no value can cost too much.
    pub(crate) fn file(
        mut self,
        compiler: &Compiler,
        rules: &Rules,
    ) -> Result<(Arc<Shape>, Filed, Crowds), CompileFault> {
        let mut crowds = Crowds::default();
        if self.types.steps() > compiler.max_steps {
            return Err(CompileFault::TooCostly);
        }
        let (residues, by_pattern, by_class) =
            self.file_typed(rules, &mut crowds).ok_or(CompileFault::TooManyRules)?;
        let scoped = if rules.roots.is_empty() {
            None
        } else {
            Some(self.file_scoped(compiler, rules, &mut crowds)?)
        };
        let Self { shape, interner, types, .. } = self;
        Ok((shape, Filed { interner, types, residues, by_pattern, by_class, scoped }, crowds))
    }

    fn file_typed(&self, rules: &Rules, crowds: &mut Crowds) -> Option<(Residues, Lists, Lists)> {
        crowds.types = vec![0u32; self.types.len()];
        crowds.values = vec![0u32; self.interner.len()];
        for rule in &rules.typed {
            rule.patterns.iter().for_each(|pattern| crowds.types[pattern.0 as usize] += 1);
            rule.conditions.iter().flatten().for_each(|c| crowds.values[c.0 as usize] += 1);
        }
        let mut residues = ResidueBuilder::default();
        let (mut by_pattern, mut by_class) = (Vec::new(), Vec::new());
        for Typed { patterns, conditions, route } in &rules.typed {
            let then = route.0;
            match crowds.shelf_of_typed(patterns, conditions) {
                Shelf::Condition(own, any_of) => {
                    let residue = residues.add(patterns, others(conditions, own))?;
                    by_class.extend(any_of.iter().map(|c| (c.0, Posting { residue, then })));
                }
                Shelf::Types => {
                    let residue = residues.add(&[], conditions.iter())?;
                    by_pattern.extend(patterns.iter().map(|p| (p.0, Posting { residue, then })));
                }
            }
        }
        let by_pattern = Lists::new(crowds.types.len(), by_pattern)?;
        Some((residues.finish(), by_pattern, Lists::new(crowds.values.len(), by_class)?))
    }

    fn file_scoped(
        &mut self,
        compiler: &Compiler,
        rules: &Rules,
        crowds: &mut Crowds,
    ) -> Result<Scoped, CompileFault> {
        for tests in self.tests.iter_mut().flatten() {
            tests.finish();
            if tests.steps() > compiler.max_steps {
                return Err(CompileFault::TooCostly);
            }
        }
        crowds.asked = vec![0u32; self.interner.len()];
        let all = self.inner.iter().chain(&rules.roots);
        for class in all.flat_map(|one| one.conditions.iter()).flatten() {
            crowds.asked[class.0 as usize] += 1;
        }
        // It helps little to know of an event what most events have.
        const COMMON: u32 = 64;
        for class in &self.common {
            let asked = &mut crowds.asked[class.0 as usize];
            *asked = asked.saturating_mul(COMMON);
        }
        let mut residues = ResidueBuilder::default();
        let mut file = |conjunctions: &[Conjunction]| {
            let mut filed = Vec::with_capacity(conjunctions.len());
            for Conjunction { conditions, then } in conjunctions {
                let (own, any_of) = crowds.shelf_of_pattern(conditions)?;
                let residue = residues.add(&[], others(conditions, own))?;
                let posting = Posting { residue, then: *then };
                filed.extend(any_of.iter().map(|class| (class.0, posting)));
            }
            Lists::new(self.interner.len(), filed)
        };
        let (inner, roots) =
            file(&self.inner).zip(file(&rules.roots)).ok_or(CompileFault::TooManyRules)?;
        // A whole event is judged once, an object in it as often as there are such objects.
        let absences = self.absences.iter().map(Vec::len).max().unwrap_or(0);
        if inner.longest().max(absences) > compiler.max_steps {
            return Err(CompileFault::TooCostly);
        }
        let steps = compiler.max_steps.saturating_mul(VALUES);
        let (tests, absences) = (mem::take(&mut self.tests), mem::take(&mut self.absences));
        Ok(Scoped { residues: residues.finish(), inner, roots, tests, absences, steps })
    }
}

impl Rules {
    pub(crate) fn parts(&self) -> usize {
        self.parts
    }

    pub(crate) fn push(&mut self, rule: Rule, route: RouteId) {
        match rule {
            Rule::Typed { patterns, conditions } => {
                self.typed.push(Typed { patterns, conditions, route });
            }
            Rule::Pattern(terms) => {
                let then = route.0;
                self.parts += terms.iter().map(|term| parts(term)).sum::<usize>();
                let terms = terms.into_iter();
                self.roots.extend(terms.map(|conditions| Conjunction { conditions, then }));
            }
        }
    }
}

impl Crowds {
    /// Under its types, or under the values of one condition: whichever's most popular member the
    /// fewest rules name.
    pub(crate) fn shelf_of_typed<'r>(
        &self,
        patterns: &[PatternId],
        conditions: &'r [AnyOf],
    ) -> Shelf<'r> {
        let of = |crowds: &[u32], number: u32| crowds.get(number as usize).copied().unwrap_or(0);
        let crowd = |any_of: &AnyOf| any_of.iter().map(|class| of(&self.values, class.0)).max();
        let best = conditions.iter().enumerate();
        let best = best.min_by_key(|(_, any_of)| (crowd(any_of), any_of.len()));
        let by_type = patterns.iter().map(|pattern| of(&self.types, pattern.0)).max();
        match best.filter(|(_, any_of)| crowd(any_of) < by_type) {
            Some((own, any_of)) => Shelf::Condition(own, any_of),
            None => Shelf::Types,
        }
    }

    /// Under that of its conditions whose most popular class the fewest patterns ask for.
    pub(crate) fn shelf_of_pattern<'r>(
        &self,
        conditions: &'r [AnyOf],
    ) -> Option<(usize, &'r AnyOf)> {
        let crowd = |class: &Class| self.asked.get(class.0 as usize).copied().unwrap_or(0);
        let best = conditions.iter().enumerate();
        best.min_by_key(|(_, any_of)| (any_of.iter().map(crowd).max(), any_of.len()))
    }
}

/// How many classes these conditions name.
pub(crate) fn parts(conditions: &[AnyOf]) -> usize {
    conditions.iter().map(|any_of| 1 + any_of.len()).sum()
}

/// All conditions but this one.
pub(crate) fn others(conditions: &[AnyOf], own: usize) -> impl Iterator<Item = &AnyOf> {
    conditions.iter().enumerate().filter(move |(index, _)| *index != own).map(|(_, any_of)| any_of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Mapping, SubscriptionDocument, layer::Filed};

    fn filed(subscriptions: impl Iterator<Item = String>) -> Arc<Filed> {
        let subscriptions: Vec<String> = subscriptions.collect();
        let document =
            format!(r#"{{"tenantId":"acme","subscriptions":[{}]}}"#, subscriptions.join(","));
        let document = SubscriptionDocument::parse(document.as_bytes()).unwrap();
        let mapping = Mapping::generic(&["type"]);
        let graph = Compiler::new([1; 16]).compile(&document, &mapping, None).unwrap();
        graph.layers[0].filed.clone()
    }

    fn typed(event_type: &str, filters: &str) -> String {
        format!(
            r#"{{"eventType":"{event_type}","filters":{{{filters}}},"targetQueue":"queue://q"}}"#
        )
    }

    /// What many rules name leads to none of them, wherever it stands.
    #[test]
    fn a_rule_is_filed_under_what_the_fewest_name() {
        let by_value = filed((0..50).map(|n| typed("t", &format!(r#""a":"x","k":"v{n}","z":1"#))));
        assert_eq!((by_value.by_class.longest(), by_value.by_pattern.longest()), (1, 0));
        let by_type = filed((0..50).map(|n| typed(&format!("t{n}"), r#""a":"x""#)));
        assert_eq!((by_type.by_class.longest(), by_type.by_pattern.longest()), (0, 1));
        // As many name the one as the other: the type is looked at first.
        let either = filed((0..50).map(|n| typed(&format!("t{n}"), &format!(r#""a":"x{n}""#))));
        assert_eq!((either.by_class.longest(), either.by_pattern.longest()), (0, 1));
        // The most popular of several values is what counts.
        let several =
            filed((0..50).map(|n| typed("t", &format!(r#""a":["x","a{n}"],"k":["v{n}","w{n}"]"#))));
        assert_eq!(several.by_class.longest(), 1);
    }

    #[test]
    fn a_pattern_is_filed_under_what_the_fewest_ask_for() {
        let pattern = |of: &dyn Fn(usize) -> String| {
            let filed =
                filed((0..50).map(|n| {
                    format!(r#"{{"eventPattern":{},"targetQueue":"queue://q{n}"}}"#, of(n))
                }));
            let scoped = filed.scoped.as_ref().unwrap();
            (scoped.inner.longest(), scoped.roots.longest())
        };
        assert_eq!(pattern(&|n| format!(r#"{{"a":["x"],"k":["v{n}"],"z":[1]}}"#)), (0, 1));
        assert_eq!(pattern(&|n| format!(r#"{{"s":[1],"o":{{"a":["x"],"k":["v{n}"]}}}}"#)), (1, 1));
        // Rather under a value that some others name than under what every value fulfils.
        let common = |n: usize| {
            let other = [r#"{"exists":true}"#.into(), format!(r#"{{"anything-but":"x{n}"}}"#)];
            format!(r#"{{"a":[{}],"k":["v{}"]}}"#, other[n % 2], n / 10)
        };
        assert_eq!(pattern(&common), (0, 10));
    }
}
