//! What a list of conditions asks of one leaf.

use core::net::IpAddr;

use super::tree::Leaf;
use crate::{
    interner::Kind,
    pattern::{
        condition::{Affix, Condition, fold, order_of},
        syntax::Asked,
    },
};

/// Conditions of which one must hold.
#[derive(Debug, Default)]
pub(super) struct Test {
    /// In order, so that a long list of values is searched.
    values: Vec<(u8, Vec<u8>)>,
    conditions: Vec<Condition>,
    /// Each holds for whatever the test in it does not.
    exclusions: Vec<Self>,
    /// Whether it also holds if there is no leaf.
    pub(super) takes_nothing: bool,
}

/// A leaf in the forms that conditions look at.
struct Forms<'l> {
    leaf: &'l Leaf<'l>,
    folded: Vec<u8>,
    order: Vec<u8>,
    address: Option<IpAddr>,
}

impl Test {
    pub(super) fn new(list: impl IntoIterator<Item = Asked>) -> Self {
        let mut test = Self::default();
        for asked in list {
            match asked {
                Asked::Value(kind, bytes) => test.values.push((kind as u8, bytes)),
                Asked::Condition(_, condition) => test.conditions.push(condition),
                Asked::AnythingBut(_, terms) => test.exclusions.push(Self::new(terms)),
                Asked::Absent => test.takes_nothing = true,
            }
        }
        test.values.sort_unstable();
        test
    }

    /// About what it costs to ask a leaf.
    pub(super) fn steps(&self, leaf: &Leaf<'_>) -> usize {
        let exclusions = self.exclusions.iter().map(|excluded| 1 + excluded.conditions.len());
        let conditions = 1 + self.conditions.len() + exclusions.sum::<usize>();
        conditions.saturating_mul(1 + leaf.bytes.len() / 64)
    }

    pub(super) fn holds(&self, leaf: &Leaf<'_>) -> bool {
        let mut forms = Forms { leaf, folded: Vec::new(), order: Vec::new(), address: None };
        match leaf.kind {
            Kind::String => {
                fold(&leaf.bytes, &mut forms.folded);
                let text = core::str::from_utf8(&leaf.bytes).unwrap_or_default();
                forms.address = text.parse().ok();
            }
            Kind::Number => order_of(&leaf.bytes, &mut forms.order),
            _ => {}
        }
        self.takes(&forms)
    }

    fn takes(&self, forms: &Forms<'_>) -> bool {
        let Leaf { kind, bytes } = forms.leaf;
        let search = |(own, value): &(u8, Vec<u8>)| (*own, &**value).cmp(&(*kind as u8, bytes));
        self.values.binary_search_by(search).is_ok()
            || self.conditions.iter().any(|condition| forms.fulfil(condition))
            || self.exclusions.iter().any(|excluded| !excluded.takes(forms))
    }
}

impl Forms<'_> {
    fn fulfil(&self, condition: &Condition) -> bool {
        let is_text = self.leaf.kind == Kind::String;
        let text = |affix: &Affix| {
            if affix.ignores_case { self.folded.as_slice() } else { &self.leaf.bytes }
        };
        match condition {
            Condition::Exists => true,
            Condition::Prefix(affix) => is_text && text(affix).starts_with(&affix.text),
            Condition::Suffix(affix) => is_text && text(affix).ends_with(&affix.text),
            Condition::EqualsIgnoringCase(text) => is_text && *self.folded == **text,
            Condition::Wildcard(glob) => is_text && glob.fits(&self.leaf.bytes),
            Condition::Within(range) => self.leaf.kind == Kind::Number && range.holds(&self.order),
            Condition::Cidr(block) => self.address.is_some_and(|address| block.holds(address)),
        }
    }
}
