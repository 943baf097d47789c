//! What an event pattern asks, with the place of each part of it in the subscription.
//!
//! [`syntax`](crate::pattern::syntax) reads the same for the graph, which has no use for places. Here each
//! list of conditions is kept once, however many terms an `$or` makes of what stands around it, and
//! each term says which alternatives it is made of.

use std::{collections::BTreeMap, rc::Rc};

use serde_json::{Map, Value};

use super::{judge::Steps, report::asks, test::Test};
use crate::{
    compile::CompileFault,
    pattern::syntax::{Asked, enter},
};

/// An event pattern.
#[derive(Debug, Default)]
pub(super) struct Wanted<'w> {
    pub(super) lists: Vec<List>,
    /// What is asked of one object: one term of each of these.
    pub(super) sums: Vec<Vec<Term<'w>>>,
    /// The sum that is asked of the event.
    pub(super) root: SumId,
    known: BTreeMap<Vec<ObjectId>, SumId>,
    objects: Vec<Object<'w>>,
}

/// A list of conditions.
#[derive(Debug)]
pub(super) struct List {
    pub(super) pointer: String,
    pub(super) asks: String,
    pub(super) test: Test,
}

pub(super) type ListId = usize;
pub(super) type SumId = usize;
type ObjectId = usize;

/// What is asked of one object, without `$or`.
#[derive(Debug)]
pub(super) struct Term<'w> {
    pub(super) members: BTreeMap<&'w str, Member>,
    pub(super) choices: Vec<Choice>,
}

/// What is asked of that which stands under a name.
#[derive(Debug, Default)]
pub(super) struct Member {
    pub(super) lists: Vec<ListId>,
    pub(super) objects: Option<SumId>,
}

/// An alternative of an `$or`.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    pub(super) pointer: Rc<str>,
    pub(super) count: usize,
}

/// An object of the pattern as it is written.
#[derive(Debug, Default)]
struct Object<'w> {
    parts: Parts<'w>,
    /// Of each `$or` its place and its alternatives.
    alternatives: Vec<(Rc<str>, Vec<ObjectId>)>,
}

/// A term before what stands under one name is put together.
#[derive(Debug, Clone, Default)]
struct Parts<'w> {
    lists: Vec<(&'w str, ListId)>,
    objects: Vec<(&'w str, ObjectId)>,
    choices: Vec<Choice>,
}

/// What is asked of one member: by lists, and by objects of the pattern.
type Asks = (Vec<ListId>, Vec<ObjectId>);

impl<'w> Wanted<'w> {
    /// Reads a pattern that can be compiled.
    pub(super) fn read(
        pattern: &'w Map<String, Value>,
        steps: &mut Steps,
    ) -> Result<Self, CompileFault> {
        let mut wanted = Self::default();
        let object = wanted.object(pattern, &mut String::from("/eventPattern"), steps)?;
        wanted.root = wanted.sum(vec![object], steps)?;
        Ok(wanted)
    }

    fn object(
        &mut self,
        pattern: &'w Map<String, Value>,
        pointer: &mut String,
        steps: &mut Steps,
    ) -> Result<ObjectId, CompileFault> {
        let mut object = Object::default();
        let here = pointer.len();
        for (name, value) in pattern {
            pointer.truncate(here);
            enter(pointer, name);
            steps.spend(pointer.len())?;
            match value {
                Value::Array(patterns) if name == "$or" => {
                    let alternatives = self.alternatives(patterns, pointer, steps)?;
                    object.alternatives.push((Rc::from(pointer.as_str()), alternatives));
                }
                Value::Array(list) => {
                    let asked: Result<Vec<Asked>, _> = list.iter().map(Asked::read).collect();
                    let (pointer, test) = (pointer.clone(), Test::new(asked?));
                    object.parts.lists.push((name, self.lists.len()));
                    self.lists.push(List { pointer, asks: asks(list), test });
                }
                Value::Object(pattern) => {
                    object.parts.objects.push((name, self.object(pattern, pointer, steps)?));
                }
                _ => return Err(CompileFault::InvalidCondition),
            }
        }
        pointer.truncate(here);
        self.objects.push(object);
        Ok(self.objects.len() - 1)
    }

    fn alternatives(
        &mut self,
        patterns: &'w [Value],
        pointer: &mut String,
        steps: &mut Steps,
    ) -> Result<Vec<ObjectId>, CompileFault> {
        let here = pointer.len();
        let mut alternatives = Vec::with_capacity(patterns.len());
        for (index, pattern) in patterns.iter().enumerate() {
            pointer.truncate(here);
            enter(pointer, &index.to_string());
            let pattern = pattern.as_object().ok_or(CompileFault::InvalidCondition)?;
            alternatives.push(self.object(pattern, pointer, steps)?);
        }
        pointer.truncate(here);
        Ok(alternatives)
    }

    /// What these objects of the pattern ask of one object of an event together.
    fn sum(&mut self, objects: Vec<ObjectId>, steps: &mut Steps) -> Result<SumId, CompileFault> {
        if let Some(known) = self.known.get(&objects) {
            return Ok(*known);
        }
        let mut terms = vec![Parts::default()];
        for object in &objects {
            terms = product(&terms, &self.terms(*object, steps)?, steps)?;
        }
        let mut sum = Vec::with_capacity(terms.len());
        for Parts { lists, objects, choices } in terms {
            let mut asks: BTreeMap<&'w str, Asks> = BTreeMap::new();
            lists.into_iter().for_each(|(name, list)| asks.entry(name).or_default().0.push(list));
            for (name, object) in objects {
                asks.entry(name).or_default().1.push(object);
            }
            let mut members = BTreeMap::new();
            for (name, (lists, objects)) in asks {
                let objects =
                    if objects.is_empty() { None } else { Some(self.sum(objects, steps)?) };
                members.insert(name, Member { lists, objects });
            }
            sum.push(Term { members, choices });
        }
        self.sums.push(sum);
        self.known.insert(objects, self.sums.len() - 1);
        Ok(self.sums.len() - 1)
    }

    fn terms(&self, id: ObjectId, steps: &mut Steps) -> Result<Vec<Parts<'w>>, CompileFault> {
        let object = self.objects.get(id).ok_or(CompileFault::InvalidCondition)?;
        let mut terms = vec![object.parts.clone()];
        for (pointer, alternatives) in &object.alternatives {
            let mut these = Vec::new();
            for (index, alternative) in alternatives.iter().enumerate() {
                let pointer = Rc::from(format!("{pointer}/{index}"));
                let choice = Choice { pointer, count: alternatives.len() };
                for mut term in self.terms(*alternative, steps)? {
                    term.choices.insert(0, choice.clone());
                    these.push(term);
                }
            }
            terms = product(&terms, &these, steps)?;
        }
        Ok(terms)
    }
}

/// One of the ones and one of the others, for all of both.
fn product<'w>(
    ones: &[Parts<'w>],
    others: &[Parts<'w>],
    steps: &mut Steps,
) -> Result<Vec<Parts<'w>>, CompileFault> {
    let mut product = Vec::with_capacity(ones.len());
    for one in ones {
        for other in others {
            let parts = Parts {
                lists: [&*one.lists, &*other.lists].concat(),
                objects: [&*one.objects, &*other.objects].concat(),
                choices: [&*one.choices, &*other.choices].concat(),
            };
            steps.spend(1 + parts.lists.len() + parts.objects.len() + parts.choices.len())?;
            product.push(parts);
        }
    }
    Ok(product)
}
