//! The rules themselves: each in a few words of one piece of memory, and lists of them.
//!
//! A million rules are a million times whatever one takes. A box for each list would be sixteen bytes of
//! pointer, sixteen of the allocator's, and a miss of the cache to follow. Here a rule is a run of
//! words, known by the place of its first:
//!
//! ```text
//! route | patterns: n, p1 .. pn | conditions: m, of each: k, class 1 .. class k
//! ```
//!
//! A list of rules is a part of one array of such places, so that whoever reads a list goes on to the
//! rules without a step in between.

use cofferdam_core::pipeline::RouteId;

use crate::{event_type::PatternId, interner::Class};

/// A rule, by the place of its first word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RuleId(u32);

#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    words: Vec<u32>,
    count: usize,
}

/// One rule, as its words say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule<'r> {
    pub(crate) route: RouteId,
    patterns: &'r [u32],
    conditions: &'r [u32],
}

impl Rules {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Adds a rule. `None` if there are more words than a [`RuleId`] can count, or a condition names
    /// nothing: such a rule could match nothing.
    pub(crate) fn push(
        &mut self,
        route: RouteId,
        patterns: &[PatternId],
        conditions: &[Vec<Class>],
    ) -> Option<RuleId> {
        let id = RuleId(u32::try_from(self.words.len()).ok()?);
        if conditions.iter().any(Vec::is_empty) {
            return None;
        }
        self.words.extend([route.0, u32::try_from(patterns.len()).ok()?]);
        self.words.extend(patterns.iter().map(|pattern| pattern.0));
        for any_of in conditions {
            self.words.push(u32::try_from(any_of.len()).ok()?);
            self.words.extend(any_of.iter().map(|class| class.0));
        }
        // No condition is empty, so that none begins with this.
        self.words.push(END);
        self.count += 1;
        Some(id)
    }

    /// The rule of this id.
    #[inline]
    pub(crate) fn get(&self, id: RuleId) -> Option<Rule<'_>> {
        let [route, patterns, rest @ ..] = self.words.get(id.0 as usize..)? else { return None };
        let (patterns, conditions) = rest.split_at_checked(*patterns as usize)?;
        Some(Rule { route: RouteId(*route), patterns, conditions })
    }

    /// Every rule with its id, in the order in which they came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (RuleId, Rule<'_>)> {
        let mut at = 0;
        core::iter::from_fn(move || {
            let id = RuleId(u32::try_from(at).ok()?);
            let rule = self.get(id)?;
            at +=
                2 + rule.patterns.len() + rule.conditions().map(|c| 1 + c.len()).sum::<usize>() + 1;
            Some((id, rule))
        })
    }

    pub(crate) fn shrink(&mut self) {
        self.words.shrink_to_fit();
    }
}

const END: u32 = 0;

impl<'r> Rule<'r> {
    #[inline]
    pub(crate) fn patterns(self) -> impl Iterator<Item = PatternId> + Clone {
        self.patterns.iter().map(|&pattern| PatternId(pattern))
    }

    /// Of each condition the classes of which one must be seen.
    #[inline]
    pub(crate) fn conditions(self) -> impl Iterator<Item = AnyOf<'r>> + Clone {
        let mut rest = self.conditions;
        core::iter::from_fn(move || {
            let (&count, after) = rest.split_first()?;
            let (any_of, next) = after.split_at_checked(count as usize)?;
            rest = next;
            (count != END).then_some(AnyOf(any_of))
        })
    }
}

/// Classes, of which one must be seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AnyOf<'r>(&'r [u32]);

impl AnyOf<'_> {
    pub(crate) fn len(self) -> usize {
        self.0.len()
    }

    #[inline]
    pub(crate) fn classes(self) -> impl Iterator<Item = Class> + Clone {
        self.0.iter().map(|&class| Class(class))
    }
}

/// Lists of rules, one for each of so many numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lists {
    /// Where each list begins, and at the end where the last one ends.
    starts: Vec<u32>,
    rules: Vec<RuleId>,
}

impl Lists {
    /// Sorts `filed` into lists: pairs of a list's number, below `count`, and a rule.
    pub(crate) fn new(count: usize, filed: &[(u32, RuleId)]) -> Self {
        let mut starts = vec![0u32; count + 1];
        for &(list, _) in filed {
            starts[list as usize + 1] += 1;
        }
        for list in 1..starts.len() {
            starts[list] += starts[list - 1];
        }
        let mut next = starts.clone();
        let mut rules = vec![RuleId(0); filed.len()];
        for &(list, rule) in filed {
            let place = &mut next[list as usize];
            rules[*place as usize] = rule;
            *place += 1;
        }
        Self { starts, rules }
    }

    #[inline]
    pub(crate) fn get(&self, list: u32) -> &[RuleId] {
        let Some([start, end]) = self.starts.get(list as usize..list as usize + 2) else {
            return &[];
        };
        self.rules.get(*start as usize..*end as usize).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_come_out_as_they_went_in() {
        let mut rules = Rules::default();
        let written = [
            (0, vec![7], vec![]),
            (1, vec![0, 1], vec![vec![3], vec![4, 5, 6]]),
            (2, vec![9], vec![vec![1, 2]]),
        ];
        let mut ids = Vec::new();
        for (route, patterns, conditions) in &written {
            let patterns: Vec<_> = patterns.iter().map(|&p| PatternId(p)).collect();
            let conditions: Vec<Vec<_>> =
                conditions.iter().map(|c| c.iter().map(|&c| Class(c)).collect()).collect();
            ids.push(rules.push(RouteId(*route), &patterns, &conditions).unwrap());
        }
        assert_eq!(rules.len(), 3);
        let plain = |rule: Rule<'_>| {
            let patterns: Vec<u32> = rule.patterns().map(|p| p.0).collect();
            let conditions: Vec<Vec<u32>> =
                rule.conditions().map(|any_of| any_of.classes().map(|c| c.0).collect()).collect();
            (rule.route.0, patterns, conditions)
        };
        for (id, rule) in ids.iter().zip(&written) {
            assert_eq!(&plain(rules.get(*id).unwrap()), rule);
        }
        let all: Vec<_> = rules.iter().map(|(id, rule)| (id, plain(rule))).collect();
        assert_eq!(all, ids.into_iter().zip(written).collect::<Vec<_>>());
    }

    #[test]
    fn a_list_holds_its_own_rules_in_order() {
        let filed = [(2, RuleId(10)), (0, RuleId(11)), (2, RuleId(12)), (4, RuleId(13))];
        let lists = Lists::new(5, &filed);
        assert_eq!(lists.get(2), [RuleId(10), RuleId(12)]);
        assert_eq!((lists.get(0), lists.get(4)), (&[RuleId(11)][..], &[RuleId(13)][..]));
        assert!([1, 3, 5, u32::MAX - 2].iter().all(|&list| lists.get(list).is_empty()));
    }
}
