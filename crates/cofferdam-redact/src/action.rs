//! What a rule does to what it finds.

use std::sync::Arc;

use cofferdam_core::TenantId;
use cofferdam_json::write_string;

use crate::{
    General, RedactionKey, Rule, Strategy, Target, Vault,
    error::{CompileError, CompileFault, Place},
    general,
    key::Hasher,
    mask::Mask,
    path::Path,
};

/// The longest value that others are replaced with, in bytes of JSON.
const MAX_VALUE: usize = 256;
/// The most characters that a truncation leaves.
const MAX_LENGTH: usize = 64;

pub(crate) enum Action {
    Generalize(General),
    Truncate(usize),
    Mask(Mask),
    Tokenize(Box<Hasher>, Arc<dyn Vault>),
    Hash(Box<Hasher>),
    /// As JSON, and as a text says it.
    Replace(Box<[u8]>, Box<str>),
    Omit,
}

/// What actions are made of, beside rules.
pub(crate) struct Means<'m> {
    pub(crate) tenant: &'m TenantId,
    pub(crate) key: &'m RedactionKey,
    pub(crate) vault: Option<&'m Arc<dyn Vault>>,
}

impl Action {
    /// The action of the rule with this number.
    pub(crate) fn new(
        rule: &Rule,
        at: usize,
        path: &Path,
        means: &Means<'_>,
    ) -> Result<Self, CompileError> {
        let refuse = |member, fault| Err(CompileError::new(Place::Rule(at, member), fault));
        // What means nothing is a mistake: whoever wrote it believes that it means something.
        for (is_there, strategy, member, fault) in [
            (rule.format.is_some(), Strategy::Mask, "format", CompileFault::InvalidFormat),
            (rule.algorithm.is_some(), Strategy::Hash, "algorithm", CompileFault::InvalidAlgorithm),
            (rule.value.is_some(), Strategy::Replace, "value", CompileFault::InvalidValue),
            (rule.length.is_some(), Strategy::Truncate, "length", CompileFault::InvalidLength),
            (rule.to.is_some(), Strategy::Generalize, "to", CompileFault::InvalidGeneral),
        ] {
            if is_there && rule.strategy != strategy {
                return refuse(member, fault);
            }
        }
        let keeps_apart = matches!(rule.strategy, Strategy::Hash | Strategy::Tokenize);
        if rule.target == Target::Names && !keeps_apart {
            return refuse("target", CompileFault::NotForNames);
        }
        if rule.target == Target::Names && !rule.detect.is_empty() {
            return refuse("detect", CompileFault::DetectsNames);
        }
        let (member, action) = Self::of(rule, path, means);
        action.map_err(|fault| CompileError::new(Place::Rule(at, member), fault))
    }

    /// The action, and the member of the rule that is at fault if there is none.
    fn of(
        rule: &Rule,
        path: &Path,
        means: &Means<'_>,
    ) -> (&'static str, Result<Self, CompileFault>) {
        let Means { tenant, key, vault } = means;
        match rule.strategy {
            Strategy::Omit => ("strategy", Ok(Self::Omit)),
            Strategy::Mask => ("format", Mask::parse(rule.format.as_deref()).map(Self::Mask)),
            // `SHA-256` names the hash inside the HMAC; there is no unkeyed hash to be had.
            Strategy::Hash => (
                "algorithm",
                match rule.algorithm.as_deref() {
                    None | Some("SHA-256" | "HMAC-SHA-256") => {
                        key.hasher(tenant, &path.field()).map(|hasher| Self::Hash(hasher.into()))
                    }
                    Some(_) => Err(CompileFault::InvalidAlgorithm),
                },
            ),
            Strategy::Tokenize => (
                "strategy",
                match vault {
                    Some(vault) => key
                        .tokenizer(tenant, &path.field())
                        .map(|hasher| Self::Tokenize(hasher.into(), Arc::clone(vault))),
                    None => Err(CompileFault::NoVault),
                },
            ),
            Strategy::Replace => ("value", replacement(rule)),
            Strategy::Truncate => (
                "length",
                match rule.length {
                    Some(length @ 1..=MAX_LENGTH) => Ok(Self::Truncate(length)),
                    _ => Err(CompileFault::InvalidLength),
                },
            ),
            Strategy::Generalize => (
                "to",
                match rule.to {
                    Some(General::Band(0)) | None => Err(CompileFault::InvalidGeneral),
                    Some(to) => Ok(Self::Generalize(to)),
                },
            ),
        }
    }

    /// Whether some characters of a value may be left.
    pub(crate) fn shows(&self) -> bool {
        match self {
            Self::Generalize(_) | Self::Truncate(_) => true,
            Self::Mask(mask) => mask.shows(),
            Self::Tokenize(..) | Self::Hash(_) | Self::Replace(..) | Self::Omit => false,
        }
    }

    /// Whether equal values stay recognisable as equal.
    pub(crate) fn links(&self) -> bool {
        matches!(self, Self::Tokenize(..) | Self::Hash(_))
    }

    /// Whether `value`, some JSON, looks like what this action leaves; `text` is what it says if it is a string.
    pub(crate) fn fits(&self, value: &[u8], text: Option<&[u8]>) -> bool {
        let Some(bytes) = text else {
            return matches!(self, Self::Replace(own, _) if **own == *value);
        };
        let Ok(text) = core::str::from_utf8(bytes) else { return false };
        match self {
            Self::Generalize(to) => text == general::HIDDEN || general::fits(text, *to),
            Self::Truncate(length) => text.chars().nth(*length).is_none(),
            Self::Mask(mask) => mask.fits(text),
            Self::Tokenize(hasher, _) | Self::Hash(hasher) => hasher.fits(bytes),
            Self::Replace(own, _) => {
                let mut written = Vec::new();
                write_string(text, &mut written);
                **own == *written
            }
            Self::Omit => false,
        }
    }
}

fn replacement(rule: &Rule) -> Result<Action, CompileFault> {
    let (json, text) = match &rule.value {
        None => (b"null".to_vec(), String::from("null")),
        Some(serde_json::Value::String(text)) => {
            let mut json = Vec::new();
            write_string(text, &mut json);
            (json, text.clone())
        }
        Some(value) if value.is_array() || value.is_object() => {
            return Err(CompileFault::InvalidValue);
        }
        Some(scalar) => (scalar.to_string().into_bytes(), scalar.to_string()),
    };
    if json.len() > MAX_VALUE {
        return Err(CompileFault::InvalidValue);
    }
    Ok(Action::Replace(json.into(), text.into()))
}

/// The first characters of a value: so many at most, and at most half of it, since of a short one they would be
/// all.
pub(crate) fn truncated(value: &str, length: usize) -> &str {
    let length = length.min(value.chars().count() / 2);
    let end = value.char_indices().nth(length).map_or(value.len(), |(at, _)| at);
    value.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_truncation_leaves_half_at_most() {
        for (value, length, expected) in [
            ("", 3, ""),
            ("a", 3, ""),
            ("ab", 3, "a"),
            ("abcdefgh", 3, "abc"),
            ("abcd", 3, "ab"),
            ("éééééé", 2, "éé"),
            ("日本語", 9, "日"),
        ] {
            assert_eq!(truncated(value, length), expected, "{value}");
        }
    }
}
