//! Where matching events go.

use core::mem;
use std::collections::BTreeMap;

use cofferdam_core::pipeline::RouteId;

/// Targets by their numbers, and numbers by their targets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Targets {
    /// The number of the first one in the list.
    first: usize,
    pub(crate) list: Vec<String>,
    routes: BTreeMap<String, RouteId>,
}

impl Targets {
    /// Takes the list of those so far; those that follow are numbered on.
    pub(crate) fn take(&mut self) -> Vec<String> {
        self.first += self.list.len();
        mem::take(&mut self.list)
    }

    /// Forgets the last ones of the list, so that so many are left.
    pub(crate) fn truncate(&mut self, count: usize) {
        for target in self.list.drain(count.min(self.list.len())..) {
            self.routes.remove(&target);
        }
    }

    pub(crate) fn get(&self, target: &str) -> Option<RouteId> {
        self.routes.get(target).copied()
    }

    /// The number of a target; the same for the same one. `None` if it is none.
    pub(crate) fn number(&mut self, target: &str) -> Option<RouteId> {
        if let Some(route) = self.get(target) {
            return Some(route);
        }
        let (scheme, rest) = target.split_once("://")?;
        let scheme_is_sound = scheme.starts_with(|c: char| c.is_ascii_lowercase())
            && scheme.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '+' | '-' | '.'));
        if !scheme_is_sound || rest.is_empty() || rest.chars().any(|c| c.is_control() || c == ' ') {
            return None;
        }
        let route = RouteId(u32::try_from(self.first + self.list.len()).ok()?);
        self.list.push(String::from(target));
        self.routes.insert(String::from(target), route);
        Some(route)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_url_and_has_one_number() {
        let mut targets = Targets::default();
        for (number, target) in ["queue://a", "kafka+tls://b/c?d", "a1.b-c://x"].iter().enumerate()
        {
            assert_eq!(targets.number(target), Some(RouteId(number as u32)));
            assert_eq!(targets.number(target), targets.get(target));
        }
        for other in ["", "queue", "queue:/a", "://a", "queue://", "1q://a", "Q://a", "q$://a"] {
            assert_eq!(targets.number(other), None, "{other}");
        }
        for other in ["queue://a b", "queue://a\n", "queue://\u{7f}"] {
            assert_eq!(targets.number(other), None, "{other:?}");
        }
        assert_eq!(targets.list.len(), 3);
    }

    #[test]
    fn what_is_taken_keeps_its_numbers_and_what_is_forgotten_does_not() {
        let mut targets = Targets::default();
        targets.number("queue://a");
        assert_eq!(targets.take(), ["queue://a"]);
        assert_eq!(targets.number("queue://b"), Some(RouteId(1)));
        targets.number("queue://c");
        targets.truncate(1);
        assert_eq!((targets.get("queue://a"), targets.get("queue://c")), (Some(RouteId(0)), None));
        assert_eq!(targets.number("queue://d"), Some(RouteId(2)));
    }
}
