//! Asks an event what an event pattern asks, and finds what comes nearest to it.

use core::cmp::Reverse;
use std::collections::BTreeMap;

use super::{
    report::{Explanation, Finding},
    tree::{NodeId, Tree, enter},
    wanted::{ListId, Member, SumId, Term, Wanted},
};
use crate::compile::CompileFault;

/// How much may still be done for one explanation.
#[derive(Debug)]
pub(super) struct Steps {
    left: usize,
}

/// A second's worth, more or less: a mebibyte of event under some dozens of conditions.
impl Default for Steps {
    fn default() -> Self {
        Self { left: 1 << 25 }
    }
}

/// What is remembered is dearer than what is only done: it takes memory.
const REMEMBERED: usize = 4;

impl Steps {
    pub(super) fn spend(&mut self, count: usize) -> Result<(), CompileFault> {
        self.left = self.left.checked_sub(count).ok_or(CompileFault::TooCostly)?;
        Ok(())
    }
}

/// A pattern, an event, and what is known so far of the two.
pub(super) struct Judge<'j, 'e> {
    tree: &'j Tree<'e>,
    wanted: &'j Wanted<'j>,
    steps: Steps,
    /// Whether some leaf of a value fulfils a list.
    lists: BTreeMap<(ListId, NodeId), bool>,
    /// What of a value comes nearest to a sum.
    sums: BTreeMap<(SumId, Option<NodeId>), Nearest>,
}

/// How near an object came: the lower, the nearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Distance {
    failing: usize,
    holding: Reverse<usize>,
}

/// The object and the term that come nearest; without an object, that of an empty one.
#[derive(Debug, Clone, Copy)]
struct Nearest {
    distance: Distance,
    object: Option<NodeId>,
    term: usize,
}

impl Distance {
    const NONE: Self = Self { failing: 0, holding: Reverse(0) };
    const FARTHEST: Self = Self { failing: usize::MAX, holding: Reverse(0) };

    fn and(self, other: Self) -> Self {
        let holding = Reverse(self.holding.0.saturating_add(other.holding.0));
        Self { failing: self.failing.saturating_add(other.failing), holding }
    }

    fn of(holds: bool) -> Self {
        Self { failing: usize::from(!holds), holding: Reverse(usize::from(holds)) }
    }
}

impl<'j, 'e> Judge<'j, 'e> {
    pub(super) fn new(tree: &'j Tree<'e>, wanted: &'j Wanted<'j>, steps: Steps) -> Self {
        Self { tree, wanted, steps, lists: BTreeMap::new(), sums: BTreeMap::new() }
    }

    pub(super) fn explain(mut self) -> Result<Explanation, CompileFault> {
        let nearest = self.nearest(self.wanted.root, Some(Tree::ROOT))?;
        let mut explanation = Explanation::default();
        self.report(self.wanted.root, nearest, String::from("$"), &mut explanation)?;
        explanation.conclude();
        explanation.is_wanted = explanation.matches();
        Ok(explanation)
    }

    /// What of the objects of a value comes nearest to a sum; if there are none, how near an object
    /// without members does.
    fn nearest(&mut self, sum: SumId, value: Option<NodeId>) -> Result<Nearest, CompileFault> {
        if let Some(known) = self.sums.get(&(sum, value)) {
            return Ok(*known);
        }
        let tree = self.tree;
        let mut objects: Vec<Option<NodeId>> = match value {
            Some(value) => {
                let items = tree.items(value, &mut self.steps)?.into_iter();
                items.filter(|item| tree.is_object(*item)).map(Some).collect()
            }
            None => Vec::new(),
        };
        if objects.is_empty() {
            objects.push(None);
        }
        let wanted = self.wanted;
        let terms = wanted.sums.get(sum).map(Vec::as_slice).unwrap_or_default();
        let mut nearest = Nearest { distance: Distance::FARTHEST, object: None, term: 0 };
        'objects: for object in objects {
            for (index, term) in terms.iter().enumerate() {
                let distance = self.distance(term, object)?;
                if distance < nearest.distance {
                    nearest = Nearest { distance, object, term: index };
                }
                if distance.failing == 0 {
                    break 'objects;
                }
            }
        }
        self.steps.spend(REMEMBERED)?;
        self.sums.insert((sum, value), nearest);
        Ok(nearest)
    }

    fn distance(
        &mut self,
        term: &'j Term<'j>,
        object: Option<NodeId>,
    ) -> Result<Distance, CompileFault> {
        let mut distance = Distance::NONE;
        for (name, Member { lists, objects }) in &term.members {
            let value = object.and_then(|object| self.tree.member(object, name));
            self.steps.spend(1)?;
            for list in lists {
                distance = distance.and(Distance::of(self.list_holds(*list, value)?));
            }
            if let Some(sum) = objects {
                distance = distance.and(self.nearest(*sum, value)?.distance);
            }
        }
        Ok(distance)
    }

    fn list_holds(&mut self, id: ListId, value: Option<NodeId>) -> Result<bool, CompileFault> {
        let wanted = self.wanted;
        let Some(list) = wanted.lists.get(id) else { return Ok(false) };
        let Some(value) = value else { return Ok(list.test.takes_nothing) };
        self.steps.spend(1)?;
        if let Some(known) = self.lists.get(&(id, value)) {
            return Ok(*known);
        }
        let mut has_leaf = false;
        let mut holds = false;
        for item in self.tree.items(value, &mut self.steps)? {
            let Some(leaf) = self.tree.leaf(item) else { continue };
            has_leaf = true;
            self.steps.spend(list.test.steps(&leaf))?;
            if list.test.holds(&leaf) {
                holds = true;
                break;
            }
        }
        holds |= !has_leaf && list.test.takes_nothing;
        self.steps.spend(REMEMBERED)?;
        self.lists.insert((id, value), holds);
        Ok(holds)
    }

    /// Reports what comes nearest. `path` leads to the object, or to where it would stand.
    fn report(
        &mut self,
        sum: SumId,
        Nearest { object, term, .. }: Nearest,
        path: String,
        explanation: &mut Explanation,
    ) -> Result<(), CompileFault> {
        let wanted = self.wanted;
        let Some(term) = wanted.sums.get(sum).and_then(|terms| terms.get(term)) else {
            return Ok(());
        };
        for choice in &term.choices {
            self.steps.spend(choice.pointer.len())?;
            explanation.choose(&choice.pointer, choice.count);
        }
        for (name, Member { lists, objects }) in &term.members {
            let value = object.and_then(|object| self.tree.member(object, name));
            let mut path = path.clone();
            enter(&mut path, name);
            self.steps.spend(path.len())?;
            for list in lists {
                explanation.findings.push(self.finding(*list, value, &path)?);
            }
            if let Some(sum) = objects {
                let nearest = self.nearest(*sum, value)?;
                let path = nearest.object.map_or(path, |object| self.tree.path(object));
                self.report(*sum, nearest, path, explanation)?;
            }
        }
        Ok(())
    }

    fn finding(
        &mut self,
        id: ListId,
        value: Option<NodeId>,
        path: &str,
    ) -> Result<Finding, CompileFault> {
        let holds = self.list_holds(id, value)?;
        let wanted = self.wanted;
        let Some(list) = wanted.lists.get(id) else { return Ok(Finding::default()) };
        let mut finding = Finding::new(&list.pointer, &list.asks, holds);
        finding.paths.push(String::from(path));
        self.steps.spend(path.len().saturating_add(list.pointer.len()))?;
        let items = match value {
            Some(value) => self.tree.items(value, &mut self.steps)?,
            None => Vec::new(),
        };
        for item in items {
            let Some(leaf) = self.tree.leaf(item) else { continue };
            self.steps.spend(list.test.steps(&leaf))?;
            // Of what holds only that is shown for which it does.
            if !holds || list.test.holds(&leaf) {
                finding.add(self.tree, item, &mut self.steps)?;
            }
        }
        Ok(finding)
    }
}
