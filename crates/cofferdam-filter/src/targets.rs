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
