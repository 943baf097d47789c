//! The answer of a token endpoint, read strictly and held against the registration.
//!
//! Two questions are asked of an answer. Is it a token response at all (RFC 6749 section 5.1): one
//! small JSON object without a name twice, `bearer`, a token of the syntax of RFC 6750, a lifetime
//! that makes sense? And is it *ours*: issuer, audience, tenant and region as registered, and
//! exactly the registered scopes? The second is what keeps a mistake at the platform, a swapped
//! secret or a proxy that caches token responses from putting one tenant's token into another's
//! hands.
//!
//! The claims of a JWT are read without checking its signature. That is sound here and only here:
//! the token came over TLS from the registered endpoint, and it is used only toward servers that
//! check it themselves.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use cofferdam_core::Now;
use zeroize::Zeroizing;

use super::{Assertion, Client, Expected, ScopeDrift, TokenForm, Witness, failure::Unsound, scope};
use crate::{
    json::{self, Object, Value},
    jws::Parts,
};

/// The largest answer that is read, in bytes.
pub(super) const MAX_ANSWER: usize = 16 * 1024;
/// The longest access token in bytes.
const MAX_TOKEN: usize = 8 * 1024;

/// A token response whose form is sound.
pub(super) struct Grant {
    pub(super) token: Zeroizing<String>,
    /// As stated; it is not negative.
    lifetime: Option<Duration>,
    scopes: Option<BTreeSet<String>>,
}

impl Grant {
    /// Reads a token response.
    pub(super) fn read(answer: &[u8]) -> Result<Self, Unsound> {
        let answer = read(answer)?;
        let bearer = answer.text("token_type").is_some_and(|t| t.eq_ignore_ascii_case("bearer"));
        if !bearer {
            return Err(Unsound::TokenType);
        }
        let token = answer.text("access_token").filter(|token| is_bearer_token(token));
        let lifetime = match answer.get("expires_in") {
            None => None,
            Some(&Value::Integer(seconds)) => {
                let seconds = u64::try_from(seconds).map_err(|_| Unsound::Lifetime)?;
                Some(Duration::from_secs(seconds))
            }
            Some(_) => return Err(Unsound::Lifetime),
        };
        let scopes = match answer.get("scope") {
            None => None,
            Some(value) => Some(scope::read(value).ok_or(Unsound::ScopeSyntax)?),
        };
        let token = Zeroizing::new(token.ok_or(Unsound::TokenSyntax)?.to_owned());
        Ok(Self { token, lifetime, scopes })
    }

    /// Holds the response, and what `witness` says of the token, against the registration. Returns
    /// how long the token lives from the time on at which it was asked for.
    pub(super) fn check(
        &self,
        client: &Client,
        witness: Option<&[u8]>,
        now: Now,
    ) -> Result<Duration, Unsound> {
        let config = &client.config;
        let stated = self.lifetime.or(config.assumed_lifetime).ok_or(Unsound::Lifetime)?;
        if stated.is_zero() || stated > config.longest_lifetime {
            return Err(Unsound::Lifetime);
        }
        // RFC 6749 section 5.1: absent means as requested.
        if let Some(scopes) = &self.scopes {
            drifted(&config.scopes, scopes)?;
        }
        let until_exp = match &config.token_form {
            TokenForm::Opaque(Witness::Nobody) => None,
            TokenForm::Jwt(expected) => {
                let parts = Parts::split(&self.token).map_err(|_| Unsound::NotJwt)?;
                let claims = json::read(&parts.payload).map_err(|_| Unsound::NotJwt)?;
                check_client(&claims, client)?;
                expected.check(&claims, &config.scopes)?;
                until_exp(&claims, now)?
            }
            TokenForm::Opaque(Witness::Identity { expected, .. }) => {
                let answer = read(witness.ok_or(Unsound::NoWitness)?)?;
                expected.check(&answer, &config.scopes)?;
                None
            }
            TokenForm::Opaque(Witness::Introspection { expected, .. }) => {
                let answer = read(witness.ok_or(Unsound::NoWitness)?)?;
                if !matches!(answer.get("active"), Some(Value::Boolean(true))) {
                    return Err(Unsound::Inactive);
                }
                check_client(&answer, client)?;
                expected.check(&answer, &config.scopes)?;
                until_exp(&answer, now)?
            }
        };
        Ok(until_exp.map_or(stated, |until| stated.min(until)))
    }
}

impl Expected {
    fn check(&self, claims: &Object<'_>, scopes: &BTreeSet<String>) -> Result<(), Unsound> {
        for (assertion, unsound) in [
            (&self.issuer, Unsound::Issuer),
            (&self.tenant, Unsound::Tenant),
            (&self.region, Unsound::Region),
        ] {
            if !assertion.holds(claims, false) {
                return Err(unsound);
            }
        }
        if !self.audience.holds(claims, true) {
            return Err(Unsound::Audience);
        }
        if self.scopes.is_empty() {
            return Ok(());
        }
        let value = claims.at(&self.scopes).ok_or(Unsound::ScopeSyntax)?;
        drifted(scopes, &scope::read(value).ok_or(Unsound::ScopeSyntax)?)
    }
}

impl Assertion {
    fn holds(&self, claims: &Object<'_>, may_be_listed: bool) -> bool {
        let Self::Equals { member, value: expected } = self else { return true };
        match claims.at(member) {
            Some(Value::Text(text)) => text == expected,
            // Numbers that come as numbers are compared as the digits that were registered; `1.0`
            // and `1e0` are no integers.
            Some(Value::Integer(number)) => number.to_string() == *expected,
            Some(Value::Array(list)) if may_be_listed => {
                let texts: Option<Vec<_>> = list.iter().map(Value::as_text).collect();
                texts.is_some_and(|texts| texts.contains(&expected.as_str()))
            }
            _ => false,
        }
    }
}

fn read(answer: &[u8]) -> Result<Object<'_>, Unsound> {
    if answer.len() > MAX_ANSWER {
        return Err(Unsound::TooLarge);
    }
    let answer = json::read(answer).map_err(|_| Unsound::Malformed)?;
    // Some servers say 200 and `error`.
    if answer.get("error").is_some() { Err(Unsound::Malformed) } else { Ok(answer) }
}

fn drifted(registered: &BTreeSet<String>, came: &BTreeSet<String>) -> Result<(), Unsound> {
    ScopeDrift::check(registered, came).map_err(|drift| Unsound::Scopes(Arc::new(drift)))
}

/// A client that the claims name must be the one that asked (RFC 9068 section 2.2 requires it; not
/// every server writes RFC 9068).
fn check_client(claims: &Object<'_>, client: &Client) -> Result<(), Unsound> {
    match claims.get("client_id") {
        None => Ok(()),
        Some(Value::Text(id)) if *id == client.config.client_id => Ok(()),
        Some(_) => Err(Unsound::Client),
    }
}

/// How long until `exp`, by this machine's wall clock. It can only shorten what `expires_in` says,
/// so a wall clock that stands still or back extends nothing.
fn until_exp(claims: &Object<'_>, now: Now) -> Result<Option<Duration>, Unsound> {
    match claims.get("exp") {
        None => Ok(None),
        Some(&Value::Integer(exp)) => {
            let left = exp.saturating_mul(1_000).saturating_sub(now.wall_ms());
            let left = u64::try_from(left).map_err(|_| Unsound::Lifetime)?;
            if left == 0 { Err(Unsound::Lifetime) } else { Ok(Some(Duration::from_millis(left))) }
        }
        Some(_) => Err(Unsound::Lifetime),
    }
}

/// RFC 6750 section 2.1: `b64token`, bounded. What is not cannot stand in a header.
fn is_bearer_token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b);
    !body.is_empty() && text.len() <= MAX_TOKEN && body.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_longest_length() {
        let of = |length: usize| format!("{{}}{}", " ".repeat(length - 2));
        assert!(read(of(16_384).as_bytes()).is_ok());
        assert_eq!(read(of(16_385).as_bytes()).err(), Some(Unsound::TooLarge));
    }
}
