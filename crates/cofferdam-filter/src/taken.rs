//! Rules of the first layer: where they were filed, and how they are taken out.

use std::{collections::BTreeMap, sync::Arc};

use cofferdam_core::pipeline::RouteId;

use crate::{
    filing::{Crowds, Shelf, others},
    graph::Shape,
    layer::{Filed, Layer},
    rules::{Bits, Lists, Residue, Residues},
    translate::{AnyOf, Rule},
};

/// What is needed to take rules out of the first layer.
pub(crate) struct Base {
    pub(crate) layer: Layer,
    pub(crate) shape: Arc<Shape>,
    pub(crate) crowds: Crowds,
    /// By pattern of types: how many rules that are left name it.
    pub(crate) types: Vec<u32>,
    /// How many event patterns are left.
    pub(crate) patterns: usize,
    /// How many classes its event patterns name together.
    pub(crate) parts: usize,
    /// Of each rule that is left, its fingerprint; in order.
    pub(crate) left: Vec<u128>,
    /// By fingerprint: how many of these rules were taken out.
    pub(crate) taken: BTreeMap<u128, usize>,
    /// By list and place: how many copies were taken out of it.
    pub(crate) fewer: BTreeMap<(List, u32), u32>,
}

/// One of the lists that lead to routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum List {
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

impl Base {
    /// Takes out a rule that was filed here, whose events go to this route.
    pub(crate) fn take(&mut self, rule: &Rule, route: RouteId) {
        let filed = Arc::clone(&self.layer.filed);
        for filing in filings(rule, &filed, &self.crowds) {
            self.take_from(&filing, route);
        }
        self.forget(rule);
    }

    /// Notes that one rule less names the types that this one does, or that there is a pattern less.
    fn forget(&mut self, rule: &Rule) {
        let gone = Arc::make_mut(&mut self.layer.gone);
        match rule {
            Rule::Typed { patterns, .. } => {
                for pattern in patterns {
                    let Some(left) = self.types.get_mut(pattern.0 as usize) else { continue };
                    *left = left.saturating_sub(1);
                    if *left == 0 {
                        gone.types.insert(pattern.0 as usize);
                    }
                }
            }
            Rule::Pattern(_) => {
                self.patterns = self.patterns.saturating_sub(1);
                gone.has_no_patterns = self.patterns == 0;
            }
        }
    }

    /// Takes a rule from where it was filed: one of its copies, or with the last one the rule.
    fn take_from(&mut self, filing: &Filing<'_>, route: RouteId) {
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

fn numbers(any_of: &AnyOf) -> Vec<u32> {
    any_of.iter().map(|class| class.0).collect()
}
