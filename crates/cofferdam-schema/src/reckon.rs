//! The most steps that one value can cause, for each depth, with every reference followed and none expanded.
//!
//! Let `A(s, d)` be the most steps that a value at depth `d` below another one can cause when the subschema
//! `s` judges that other one. At depth 0 that is what `s` takes itself, and what all that is in place of it
//! takes. At depth `d` it is what the children of `s` take at depth `d - 1`:
//!
//! * a member takes what all in place of `s` have under *its* name, so names are added up one by one and the
//!   dearest name counts; and on top what applies to any member (`additionalProperties`, patterns);
//! * an element takes what its position and any position have;
//! * what stands in an array, at any depth, is hashed for its `uniqueItems`;
//! * of a group of anchors that a dynamic reference may mean, the dearest counts;
//! * where `unevaluated` keywords stand, what is in place is judged once more, to know what it looked
//!   at: `M(s, d)` is what that takes, which goes on through references and into branches.
//!
//! The depths are those that the strict check lets through, so a schema that refers to itself has a price: a
//! tree of nodes pays the same at each depth, and one that refers to itself *twice* pays double at each.
//! A depth is one pass over the subschemas, each after what is in place of it, so the work is that of
//! the edges times 64, whatever the schema says.
//!
//! Adding up the dearest child of each subschema instead of going by names would be simpler, and would price
//! the meta-schema of 2020-12 at 4^64: four of its parts refer back to it, under four names.

use crate::{
    graph::{Graph, Node},
    tree::DEPTHS,
};

/// The most pairs of a subschema and a name that it, or one in place of it, has a child for.
pub(crate) const MAX_NAMED: usize = 200_000;

/// What hashing a value counts as, in steps.
const HASHED: u64 = 4;

/// What a value at one depth costs under each subschema, in parts.
#[derive(Clone, Default)]
struct Costs {
    /// `A`.
    all: u64,
    /// `M`.
    marks: u64,
    /// Whatever the value is.
    fixed: u64,
    /// If it is any member.
    member: u64,
    /// If it is any element.
    element: u64,
    /// If it is the member of a name, in the order of [`Reckoning::names`].
    named: Vec<u64>,
}

/// A graph in the order in which it is reckoned.
pub(crate) struct Reckoning<'g> {
    nodes: &'g [Node],
    order: &'g [u32],
    /// For each subschema the names that it or one in place of it has children for, sorted.
    names: Vec<Vec<&'g str>>,
}

impl<'g> Reckoning<'g> {
    /// `None` if there are too many names; `order` has each subschema after all in place of it.
    pub(crate) fn new(graph: &'g Graph, order: &'g [u32]) -> Option<Self> {
        let nodes = &graph.nodes;
        let mut names: Vec<Vec<&str>> = vec![Vec::new(); nodes.len()];
        let mut held = 0;
        for &number in order {
            let node = &nodes[number as usize];
            let mut all: Vec<&str> = node.named.iter().map(|(name, _)| &**name).collect();
            for to in node.all_in_place() {
                all.extend_from_slice(&names[to as usize]);
                if all.len() > MAX_NAMED {
                    return None;
                }
            }
            all.sort_unstable();
            all.dedup();
            held += all.len();
            if held > MAX_NAMED {
                return None;
            }
            names[number as usize] = all;
        }
        Some(Self { nodes, order, names })
    }

    /// `A(s, d)`: a row of all subschemas for each depth, as far as there are any costs.
    pub(crate) fn by_depth(&self, own: impl Fn(&Node) -> u64) -> Vec<Vec<u64>> {
        let mut rows: Vec<Vec<u64>> = Vec::new();
        for _ in 0..DEPTHS {
            let mut row = vec![Costs::default(); self.nodes.len()];
            for &number in self.order {
                let node = &self.nodes[number as usize];
                let own = if rows.is_empty() { own(node) } else { 0 };
                row[number as usize] = self.costs(number, own, &row, rows.last());
            }
            let row: Vec<u64> = row.into_iter().map(|costs| costs.all).collect();
            // Nothing refers to itself, and all that there is has been gone down through.
            if row.iter().all(|&steps| steps == 0) {
                break;
            }
            rows.push(row);
        }
        rows
    }

    fn costs(&self, number: u32, own: u64, row: &[Costs], above: Option<&Vec<u64>>) -> Costs {
        let node = &self.nodes[number as usize];
        let names = &self.names[number as usize];
        let mut costs = Costs { fixed: own, named: vec![0; names.len()], ..Costs::default() };
        let beside = node.in_place.iter().chain(&node.refers);
        for &to in beside {
            self.add(&mut costs, names, to, row, u64::saturating_add);
        }
        for &to in &node.in_place {
            costs.marks = costs.marks.saturating_add(row[to as usize].all);
        }
        for group in &node.one_of {
            let mut dearest = Costs { named: vec![0; names.len()], ..Costs::default() };
            for &to in group {
                self.add(&mut dearest, names, to, row, u64::max);
            }
            costs.plus(&dearest);
        }
        if node.looks_again {
            costs.fixed = costs.fixed.saturating_add(costs.marks);
        }
        if let Some(above) = above {
            let sum = |list: &[u32]| {
                list.iter().fold(0u64, |sum, &to| sum.saturating_add(above[to as usize]))
            };
            let position = node.prefix.iter().map(|&to| above[to as usize]).max().unwrap_or(0);
            let (members, elements) = (sum(&node.members), sum(&node.items));
            costs.member = costs.member.saturating_add(members);
            // Hashed, with whatever it stands in, once for each array that wants its items distinct.
            let hashed = if node.unique { HASHED } else { 0 };
            costs.element = costs.element.saturating_add(elements).saturating_add(position);
            costs.element = costs.element.saturating_add(hashed);
            for (name, to) in &node.named {
                if let Ok(at) = names.binary_search(&&**name) {
                    costs.named[at] = costs.named[at].saturating_add(above[*to as usize]);
                }
            }
            // Seen from a subschema that looks again: what looks at children to know which it looked at.
            if node.looks_again || node.contains {
                costs.marks = costs.marks.saturating_add(members.max(elements));
            }
        }
        let name = costs.named.iter().copied().max().unwrap_or(0);
        let child = costs.member.saturating_add(name).max(costs.element);
        costs.all = costs.fixed.saturating_add(child);
        costs
    }

    /// Combines the parts with those of a subschema in place.
    fn add(
        &self,
        costs: &mut Costs,
        names: &[&str],
        to: u32,
        row: &[Costs],
        combine: fn(u64, u64) -> u64,
    ) {
        let other = &row[to as usize];
        costs.fixed = combine(costs.fixed, other.fixed);
        costs.member = combine(costs.member, other.member);
        costs.element = combine(costs.element, other.element);
        costs.marks = combine(costs.marks, other.marks);
        // Its names are among ours, in the same order.
        let mut at = 0;
        for (name, cost) in self.names[to as usize].iter().zip(&other.named) {
            while at < names.len() && names[at] < *name {
                at += 1;
            }
            if let Some(own) = costs.named.get_mut(at) {
                *own = combine(*own, *cost);
            }
        }
    }
}

impl Costs {
    /// Adds the parts of a group, which has room for the same names.
    fn plus(&mut self, other: &Self) {
        let add = u64::saturating_add;
        self.fixed = add(self.fixed, other.fixed);
        self.member = add(self.member, other.member);
        self.element = add(self.element, other.element);
        self.marks = add(self.marks, other.marks);
        for (own, cost) in self.named.iter_mut().zip(&other.named) {
            *own = add(*own, *cost);
        }
    }
}
