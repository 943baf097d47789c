//! What a schema can cost for one value of an event, reckoned before it is compiled.
//!
//! Twenty-five definitions that each say `"allOf": [next, next]` fit in a page, and keep a validator busy
//! for a second an event: references are followed where they are met, so the last definition is judged 2^25
//! times. A validator cannot be asked to stop. So the steps are counted here, with every reference
//! expanded, without expanding any.
//!
//! The price of a schema is a number of steps for each depth, the most that one value at that depth can
//! cause; [`reckon`](crate::reckon) says how it is found. What an event may cost is the sum over its values,
//! each at the price of its depth, which is known when its tree is built, before it is judged.

use crate::{
    error::{RegisterError, RegisterFault},
    graph::{Graph, Node},
    reckon::Reckoning,
    tree::{DEPTHS, Depths},
};

/// What one value of an event can cost, by its depth below the value that the schema judges.
#[derive(Debug, Clone)]
pub(crate) struct Price {
    steps: Box<[u64]>,
    /// Errors that are about a value or about what it stands in, which is what explaining them copies.
    explained: Box<[u64]>,
}

impl Price {
    /// Prices a graph; refuses one in which some value may cost more than `limit`.
    pub(crate) fn of(graph: &Graph, limit: u64) -> Result<Self, RegisterError> {
        let order = in_order(&graph.nodes)?;
        if let Some(at) = too_nested(&graph.nodes, &order) {
            return Err(RegisterError::new(at, RegisterFault::TooNested));
        }
        let too_many = || RegisterError::new("", RegisterFault::TooManySubschemas);
        let reckoning = Reckoning::new(graph, &order).ok_or_else(too_many)?;
        let steps = reckoning.by_depth(|node| node.weight);
        if let Some(dear) = steps.iter().find(|row| row[0] > limit) {
            let at = culprit(&graph.nodes, dear, limit);
            return Err(RegisterError::new(at, RegisterFault::TooCostly));
        }
        let errors = reckoning.by_depth(|node| node.errors);
        let mut sum = 0u64;
        let explained = errors.iter().map(|row| {
            sum = sum.saturating_add(row[0]);
            if graph.nests_errors { sum } else { row[0] }
        });
        let explained = explained.collect();
        Ok(Self { steps: steps.iter().map(|row| row[0]).collect(), explained })
    }

    /// The most steps for one value.
    pub(crate) fn highest(&self) -> u64 {
        self.steps.iter().copied().max().unwrap_or(0)
    }

    /// The most steps for an event whose body stands `below` values deep.
    pub(crate) fn steps(&self, depths: &Depths, below: usize) -> u64 {
        total(&self.steps, depths, below)
    }

    /// A bound of what explaining a mismatch of the event takes, in values.
    pub(crate) fn explanation(&self, depths: &Depths, below: usize) -> u64 {
        total(&self.explained, depths, below)
    }
}

fn total(prices: &[u64], depths: &Depths, below: usize) -> u64 {
    let inside = depths.iter().skip(below);
    let each = inside.zip(prices).map(|(count, price)| price.saturating_mul(u64::from(*count)));
    each.fold(0, u64::saturating_add)
}

/// The subschemas, each after all that are in place of it.
fn in_order(nodes: &[Node]) -> Result<Vec<u32>, RegisterError> {
    let mut order = Vec::with_capacity(nodes.len());
    let mut state = vec![State::New; nodes.len()];
    for start in 0..nodes.len() as u32 {
        if state[start as usize] == State::Done {
            continue;
        }
        let open = |node: u32| (node, nodes[node as usize].all_in_place());
        state[start as usize] = State::Open;
        let mut path = vec![open(start)];
        while let Some((node, below)) = path.last_mut() {
            let Some(next) = below.next() else {
                state[*node as usize] = State::Done;
                order.push(*node);
                path.pop();
                continue;
            };
            match state[next as usize] {
                State::Done => {}
                State::Open => {
                    let at = nodes[next as usize].at.as_str();
                    return Err(RegisterError::new(at, RegisterFault::ReferenceCycle));
                }
                State::New => {
                    state[next as usize] = State::Open;
                    path.push(open(next));
                }
            }
        }
    }
    Ok(order)
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    New,
    Open,
    Done,
}

/// How many subschemas a validator may be inside of at once, at the deepest event: each takes room on the
/// stack, and a thread that has none left takes the process with it.
const MAX_NESTING: u64 = 1_024;

/// A subschema on the way to the deepest nesting, if that is too deep.
fn too_nested<'g>(nodes: &'g [Node], order: &[u32]) -> Option<&'g str> {
    let mut above: Vec<u64> = Vec::new();
    for _ in 0..DEPTHS {
        let mut row = vec![0u64; nodes.len()];
        for &number in order {
            let node = &nodes[number as usize];
            let children = if above.is_empty() {
                0
            } else {
                let lists = node.members.iter().chain(&node.prefix).chain(&node.items);
                let all = lists.chain(node.named.iter().map(|(_, to)| to));
                all.map(|to| above[*to as usize]).max().unwrap_or(0)
            };
            let beside = node.all_in_place().map(|to| row[to as usize]).max().unwrap_or(0);
            row[number as usize] = 1 + children.max(beside);
        }
        if row[0] > MAX_NESTING {
            return Some(&nodes[0].at);
        }
        above = row;
    }
    None
}

/// Where the steps come together: the last subschema on the dearest way down that is too dear itself.
fn culprit<'g>(nodes: &'g [Node], row: &[u64], limit: u64) -> &'g str {
    let mut at = 0;
    for _ in 0..nodes.len() {
        match nodes[at].all_in_place().find(|to| row[*to as usize] > limit) {
            Some(next) => at = next as usize,
            None => break,
        }
    }
    &nodes[at].at
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nodes that each lead twice to the next one.
    fn doubled(levels: u32, list: impl Fn(&mut Node) -> &mut Vec<u32>) -> Graph {
        let node = |n: u32| {
            let mut node = Node { at: format!("/{n}"), weight: 1, errors: 1, ..Node::default() };
            if n < levels {
                list(&mut node).extend([n + 1, n + 1]);
            }
            node
        };
        Graph { nodes: (0..=levels).map(node).collect(), ..Graph::default() }
    }

    /// N01: a page of schema that takes 2^25 steps is priced in microseconds, and refused.
    #[test]
    fn doubling_in_place_is_priced_without_being_expanded() {
        let price = |levels| Price::of(&doubled(levels, |n| &mut n.in_place), 4_096);
        assert_eq!(price(10).unwrap().highest(), (1 << 11) - 1);
        let error = price(25).unwrap_err();
        assert_eq!(error.fault(), RegisterFault::TooCostly);
        assert_eq!(error.pointer(), "/13", "what stands below it takes 2^12 steps");
        assert!(price(10_000).is_err());
    }

    #[test]
    fn doubling_on_the_way_down_is_priced_too() {
        let price = |levels| Price::of(&doubled(levels, |n| &mut n.members), 4_096);
        assert_eq!(price(12).unwrap().highest(), 1 << 12);
        assert!(price(13).is_err());
        // Of `properties` a member takes one.
        let mut named = doubled(60, |n| &mut n.members);
        for node in &mut named.nodes {
            let twice = std::mem::take(&mut node.members);
            node.named = ["a", "b"].map(Box::from).into_iter().zip(twice).collect();
        }
        assert_eq!(Price::of(&named, 4_096).unwrap().highest(), 1);
    }

    /// F06: a chain of references is as deep a recursion as an event of brackets.
    #[test]
    fn long_chains_are_refused_before_they_take_the_stack() {
        let chain = |levels| {
            let mut graph = doubled(levels, |n| &mut n.in_place);
            graph.nodes.iter_mut().for_each(|node| node.in_place.truncate(1));
            Price::of(&graph, u64::MAX).map(|price| price.highest())
        };
        assert_eq!(chain(MAX_NESTING as u32 - 1).unwrap(), MAX_NESTING);
        assert_eq!(chain(MAX_NESTING as u32).unwrap_err().fault(), RegisterFault::TooNested);
    }

    #[test]
    fn an_event_costs_each_value_at_the_price_of_its_depth() {
        let price = Price::of(&doubled(3, |n| &mut n.members), 4_096).unwrap();
        let mut depths = [0; DEPTHS];
        depths[..6].copy_from_slice(&[1, 1, 10, 10, 10, 10]);
        assert_eq!(price.steps(&depths, 1), 1 + 10 * 2 + 10 * 4 + 10 * 8);
        assert_eq!(price.steps(&depths, 0), 1 + 2 + 10 * 4 + 10 * 8);
    }

    #[test]
    fn a_circle_in_place_is_refused() {
        let mut graph = doubled(3, |n| &mut n.in_place);
        graph.nodes[3].in_place.push(1);
        let error = Price::of(&graph, 4_096).unwrap_err();
        assert_eq!(error.fault(), RegisterFault::ReferenceCycle);
    }
}
