//! What is written for a value, or for a name.

use cofferdam_core::Scoped;
use cofferdam_json::{Text, Token, write_string};

use crate::{
    Policy, Vault,
    action::{Action, truncated},
    detect::{self, Found},
    general::{self, generalized},
    key::{Hasher, Kind},
    nested::begins_like_json,
    walk::{Hit, Stop},
};

/// Buffers for values.
#[derive(Default)]
pub(crate) struct Values {
    text: Vec<u8>,
    line: String,
    /// A text with something else for what was found in it.
    mended: String,
    found: Vec<Found>,
    detecting: detect::Scratch,
}

impl Values {
    /// Puts something else for all that `detectors` find in `text`. The text then, and what was found; `None` if
    /// nothing was.
    pub(crate) fn mend(
        &mut self,
        policy: &Policy,
        rule: usize,
        text: &str,
    ) -> Result<Option<(&str, usize)>, Stop> {
        let Self { mended, found, detecting, line, .. } = self;
        detect::find(policy.detectors(), text, detecting, found);
        if found.is_empty() {
            return Ok(None);
        }
        mended.clear();
        let mut from = 0;
        for Found { start, end, .. } in &*found {
            mended.push_str(text.get(from..*start).ok_or(Stop)?);
            let secret = text.get(*start..*end).ok_or(Stop)?;
            push_instead(policy, policy.action(rule), secret, mended, line)?;
            from = *end;
        }
        mended.push_str(text.get(from..).ok_or(Stop)?);
        Ok(Some((mended, found.len())))
    }

    /// Whether detectors find anything.
    pub(crate) fn finds(&mut self, policy: &Policy, text: &[u8]) -> bool {
        let Self { found, detecting, .. } = self;
        // What is no text is not known to hold nothing.
        let Ok(text) = core::str::from_utf8(text) else { return true };
        detect::find(policy.detectors(), text, detecting, found);
        !found.is_empty()
    }

    /// Appends what stands for a value.
    pub(crate) fn write(
        &mut self,
        policy: &Policy,
        action: &Action,
        hit: &Hit<'_>,
        event: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Stop> {
        let Self { text, line, .. } = self;
        match action {
            Action::Hash(hasher) => {
                let (kind, value) = canonical(hit, event, text)?;
                hasher.write(kind, value, out);
            }
            Action::Tokenize(hasher, vault) => {
                let (kind, value) = canonical(hit, event, text)?;
                let token = token(hasher, kind, value, out)?;
                let is_text = matches!(kind, Kind::String);
                keep(policy, &**vault, token, value, is_text, line)?;
            }
            Action::Replace(value, _) => out.extend_from_slice(value),
            Action::Mask(mask) => {
                mask.write(outside_json(policy, shown(hit.token, text)?), line, out);
            }
            Action::Truncate(length) => {
                let shown = outside_json(policy, shown(hit.token, text)?);
                write_string(truncated(shown, *length), out);
            }
            Action::Generalize(to) => {
                let general = generalized(shown(hit.token, text)?, *to);
                write_string(general.as_deref().unwrap_or(general::HIDDEN), out);
            }
            Action::Omit => return Err(Stop),
        }
        Ok(())
    }

    /// Appends what stands for a name.
    pub(crate) fn write_name(
        &mut self,
        policy: &Policy,
        action: &Action,
        name: Text<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Stop> {
        let Self { text, line, .. } = self;
        let text = name.decode(text);
        match action {
            Action::Hash(hasher) => hasher.write(Kind::String, text, out),
            Action::Tokenize(hasher, vault) => {
                let token = token(hasher, Kind::String, text, out)?;
                keep(policy, &**vault, token, text, true, line)?;
            }
            // Two names that look alike are one name twice.
            _ => return Err(Stop),
        }
        Ok(())
    }
}

/// Appends to a text what stands in it for `secret`.
fn push_instead(
    policy: &Policy,
    action: &Action,
    secret: &str,
    text: &mut String,
    line: &mut String,
) -> Result<(), Stop> {
    let mut written = Vec::new();
    match action {
        Action::Mask(mask) => mask.push(secret, text),
        Action::Replace(_, value) => text.push_str(value),
        Action::Truncate(length) => text.push_str(truncated(secret, *length)),
        Action::Generalize(to) => {
            text.push_str(generalized(secret, *to).as_deref().unwrap_or(general::HIDDEN));
        }
        Action::Hash(hasher) => {
            text.push_str(token(hasher, Kind::String, secret.as_bytes(), &mut written)?);
        }
        Action::Tokenize(hasher, vault) => {
            let token = token(hasher, Kind::String, secret.as_bytes(), &mut written)?;
            keep(policy, &**vault, token, secret.as_bytes(), true, line)?;
            text.push_str(token);
        }
        Action::Omit => {}
    }
    Ok(())
}

/// The type and the canonical bytes of a value: strings decoded, numbers in their one spelling,
/// containers as they stand.
fn canonical<'s>(
    hit: &Hit<'s>,
    event: &'s [u8],
    text: &'s mut Vec<u8>,
) -> Result<(Kind, &'s [u8]), Stop> {
    let raw = event.get(hit.range.start..hit.range.end).ok_or(Stop)?;
    Ok(match hit.token {
        Token::String(string) => (Kind::String, string.decode(text)),
        Token::Number(number) => {
            text.clear();
            number.canonical_into(text);
            (Kind::Number, text)
        }
        Token::Bool(_) => (Kind::Bool, raw),
        Token::Null => (Kind::Null, raw),
        Token::BeginObject => (Kind::Object, raw),
        Token::BeginArray => (Kind::Array, raw),
        Token::Name(_) | Token::EndObject | Token::EndArray => return Err(Stop),
    })
}

/// The text of which a part may show. Of `true`, `null` and containers none may: one letter of a word that has
/// two or three alternatives is the whole word.
fn shown<'s>(token: Token<'s>, text: &'s mut Vec<u8>) -> Result<&'s str, Stop> {
    let bytes = match token {
        Token::String(string) => string.decode(text),
        Token::Number(number) => number.raw(),
        _ => b"",
    };
    core::str::from_utf8(bytes).map_err(|_| Stop)
}

/// Nothing of a text that begins like JSON if rules look into such: a stronger one may find something in it.
fn outside_json<'s>(policy: &Policy, text: &'s str) -> &'s str {
    let is_json = policy.automata().decodes_any() && begins_like_json(text.as_bytes());
    if is_json { "" } else { text }
}

/// Appends the token of a value; what stands between its quotes.
fn token<'o>(
    hasher: &Hasher,
    kind: Kind,
    value: &[u8],
    out: &'o mut Vec<u8>,
) -> Result<&'o str, Stop> {
    let from = out.len();
    hasher.write(kind, value, out);
    let token = out.get(from + 1..out.len() - 1).ok_or(Stop)?;
    core::str::from_utf8(token).map_err(|_| Stop)
}

/// Hands a value to the vault, as JSON.
fn keep(
    policy: &Policy,
    vault: &dyn Vault,
    token: &str,
    value: &[u8],
    is_text: bool,
    line: &mut String,
) -> Result<(), Stop> {
    if !is_text {
        return vault.keep(policy.tenant(), token, value).map_err(|_| Stop);
    }
    let mut json = core::mem::take(line).into_bytes();
    json.clear();
    write_string(core::str::from_utf8(value).map_err(|_| Stop)?, &mut json);
    let kept = vault.keep(policy.tenant(), token, &json);
    *line = String::from_utf8(json).unwrap_or_default();
    kept.map_err(|_| Stop)
}
