//! The trie of event types: which patterns an event's type fits, in time of its length.
//!
//! A pattern without wildcards is looked up whole; the others make the trie.
//!
//! Types are segments between dots. A pattern's `*` stands for one segment and a last `>` for one
//! or more. The walk keeps the set of trie nodes that the segments so far lead to: at most one by
//! name and one by `*` from each node of the step before. It never goes back, so a type of n segments
//! costs n steps over at most as many nodes as there are patterns.

use crate::names::Names;

/// A pattern, numbered in the order of insertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PatternId(pub(crate) u32);

#[derive(Debug, Clone)]
pub(crate) struct TypeTrie {
    /// Patterns without `*` and `>`: an event's type is one of these or it is not.
    whole: Names,
    nodes: Vec<Node>,
    /// How many nodes are so many segments deep.
    levels: Vec<usize>,
    patterns: u32,
}

#[derive(Debug, Clone, Default)]
struct Node {
    named: Names,
    any: Option<u32>,
    /// The pattern that ends here, and the one that ends here in `>`.
    here: Option<PatternId>,
    rest: Option<PatternId>,
}

/// Not a pattern: empty, an empty segment, or `>` before the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InvalidPattern;

impl TypeTrie {
    pub(crate) fn new() -> Self {
        Self { whole: Names::default(), nodes: vec![Node::default()], levels: vec![1], patterns: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.patterns as usize
    }

    /// Adds a pattern; the same text gives the same number.
    pub(crate) fn insert(&mut self, pattern: &str) -> Result<PatternId, InvalidPattern> {
        if pattern.split('.').all(|segment| !matches!(segment, "" | "*" | ">")) {
            let known = self.whole.get_or_insert(pattern.as_bytes(), self.patterns);
            self.patterns += u32::from(known == self.patterns);
            return Ok(PatternId(known));
        }
        let mut segments = pattern.split('.').peekable();
        let mut at = 0usize;
        let mut depth = 0;
        while let Some(segment) = segments.next() {
            depth += 1;
            match segment {
                "" => return Err(InvalidPattern),
                ">" if segments.peek().is_some() => return Err(InvalidPattern),
                ">" => {
                    if self.nodes[at].rest.is_none() {
                        self.nodes[at].rest = Some(self.next_id());
                    }
                    return self.nodes[at].rest.ok_or(InvalidPattern);
                }
                "*" => {
                    let next = self.nodes.len() as u32;
                    at = *self.nodes[at].any.get_or_insert(next) as usize;
                }
                name => {
                    let next = self.nodes.len() as u32;
                    at = self.nodes[at].named.get_or_insert(name.as_bytes(), next) as usize;
                }
            }
            if at == self.nodes.len() {
                self.nodes.push(Node::default());
                if self.levels.len() <= depth {
                    self.levels.resize(depth + 1, 0);
                }
                self.levels[depth] += 1;
            }
        }
        if self.nodes[at].here.is_none() {
            self.nodes[at].here = Some(self.next_id());
        }
        self.nodes[at].here.ok_or(InvalidPattern)
    }

    /// The number of a pattern that was added.
    pub(crate) fn get(&self, pattern: &str) -> Option<PatternId> {
        if let Some(whole) = self.whole.get(pattern.as_bytes()) {
            return Some(PatternId(whole));
        }
        let mut node = self.nodes.first()?;
        let mut segments = pattern.split('.').peekable();
        while let Some(segment) = segments.next() {
            let next = match segment {
                ">" if segments.peek().is_none() => return node.rest,
                "*" => node.any?,
                name => node.named.get(name.as_bytes())?,
            };
            node = self.nodes.get(next as usize)?;
        }
        node.here
    }

    /// The patterns without wildcards.
    pub(crate) fn whole(&self) -> impl Iterator<Item = (&[u8], PatternId)> {
        self.whole.iter().map(|(pattern, id)| (pattern, PatternId(id)))
    }

    /// The nodes in the order of their numbers: where each leads, by a segment or `*`, and the patterns that
    /// end there and there in `>`.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = TrieNode<'_>> {
        self.nodes.iter().map(|node| {
            let any = node.any.map(|any| (&b"*"[..], any));
            let next = node.named.iter().chain(any).collect();
            TrieNode { next, here: node.here, rest: node.rest }
        })
    }

    /// About how many bytes it holds beside itself.
    pub(crate) fn bytes(&self) -> usize {
        let named: usize = self.nodes.iter().map(|node| node.named.bytes()).sum();
        self.nodes.capacity() * size_of::<Node>() + named + self.whole.bytes()
    }

    /// How many nodes a type leads to at most: from each one by name and one by `*`, and no more than there
    /// are.
    pub(crate) fn steps(&self) -> usize {
        let mut reached = 1_usize;
        self.levels.iter().fold(0, |steps, &nodes| {
            let here = reached.min(nodes);
            reached = here.saturating_mul(2);
            steps + here
        })
    }

    fn next_id(&mut self) -> PatternId {
        self.patterns += 1;
        PatternId(self.patterns - 1)
    }

    /// Calls `found` for each pattern that `event_type` fits, each once.
    pub(crate) fn find(
        &self,
        event_type: &[u8],
        scratch: &mut TypeScratch,
        mut found: impl FnMut(PatternId),
    ) {
        self.whole.get(event_type).map(PatternId).into_iter().for_each(&mut found);
        if self.nodes.len() == 1 && self.nodes[0].rest.is_none() {
            return;
        }
        scratch.now.clear();
        scratch.now.push(0);
        for segment in event_type.split(|&b| b == b'.') {
            scratch.next.clear();
            for &at in &scratch.now {
                let node = &self.nodes[at as usize];
                if let Some(pattern) = node.rest {
                    found(pattern);
                }
                scratch.next.extend(node.named.get(segment).into_iter().chain(node.any));
            }
            core::mem::swap(&mut scratch.now, &mut scratch.next);
            if scratch.now.is_empty() {
                return;
            }
        }
        for &at in &scratch.now {
            if let Some(pattern) = self.nodes[at as usize].here {
                found(pattern);
            }
        }
    }
}

/// A node of the trie, to be looked at.
pub(crate) struct TrieNode<'t> {
    pub(crate) next: Vec<(&'t [u8], u32)>,
    pub(crate) here: Option<PatternId>,
    pub(crate) rest: Option<PatternId>,
}

/// The two sets of nodes of a walk.
#[derive(Debug, Clone, Default)]
pub(crate) struct TypeScratch {
    now: Vec<u32>,
    next: Vec<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(patterns: &[&str], event_type: &str) -> Vec<u32> {
        let mut trie = TypeTrie::new();
        for pattern in patterns {
            trie.insert(pattern).unwrap();
        }
        let mut found = Vec::new();
        trie.find(event_type.as_bytes(), &mut TypeScratch::default(), |id| found.push(id.0));
        found.sort_unstable();
        found
    }

    #[test]
    fn a_star_is_one_segment_and_an_arrow_is_the_rest() {
        let patterns = ["a.b.c", "a.*.c", "a.>", "*.b.*", ">", "a.b", "*"];
        assert_eq!(found(&patterns, "a.b.c"), [0, 1, 2, 3, 4]);
        assert_eq!(found(&patterns, "a.b"), [2, 4, 5]);
        assert_eq!(found(&patterns, "a"), [4, 6]);
        assert_eq!(found(&patterns, "a.x.c.d"), [2, 4]);
        assert_eq!(found(&patterns, "b.a"), [4]);
    }

    /// Q01: a pattern is not a prefix, a regular expression or a path.
    #[test]
    fn nothing_else_is_special() {
        for other in ["a.bx", "xa.b", "a.b.", ".a.b", "A.B", "a/b", "a..b", ""] {
            assert!(found(&["a.b"], other).is_empty(), "{other}");
        }
        assert!(found(&["a.b"], "a.*").is_empty(), "an event cannot bring a wildcard");
    }

    #[test]
    fn refuses_what_is_not_a_pattern() {
        for pattern in ["", ".", "a.", ".a", "a..b", ">.a", "a.>.b"] {
            assert_eq!(TypeTrie::new().insert(pattern), Err(InvalidPattern), "{pattern:?}");
        }
    }

    /// N01: whatever stands in an event's type, no more nodes are looked at than this.
    #[test]
    fn the_nodes_that_a_type_can_lead_to_are_known() {
        let steps = |patterns: &[&str]| {
            let mut trie = TypeTrie::new();
            assert!(patterns.iter().all(|pattern| trie.insert(pattern).is_ok()));
            trie.steps()
        };
        assert_eq!(steps(&[]), 1);
        assert_eq!(steps(&["a.b", "a.c", "d"]), 1, "looked up whole");
        assert_eq!(steps(&["a.*", "b.*", "c.*", "*.*"]), 1 + 2 + 4);
        assert_eq!(steps(&["a.*.x", "a.*.y", "a.*.z"]), 1 + 1 + 1 + 2);
    }

    #[test]
    fn the_same_pattern_has_the_same_number() {
        let mut trie = TypeTrie::new();
        assert_eq!(trie.insert("a.>"), trie.insert("a.>"));
        assert_ne!(trie.insert("a.*"), trie.insert("a.>"));
        for pattern in ["a.>", "a.*"] {
            assert_eq!(trie.get(pattern), trie.insert(pattern).ok());
        }
        for other in ["a", ">", "a.b", "a.*.>", "a.>.b", ""] {
            assert_eq!(trie.get(other), None, "{other}");
        }
    }
}
