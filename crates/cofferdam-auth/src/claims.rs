//! What a token claims, read strictly and held against its issuer's registration.
//!
//! The reader is our own because the absence of a claim is where the libraries give way: a check
//! that is skipped when `aud` is missing, or is a number, is no check (SECURITY findings 1 to 3).
//! Here a claim that is missing and a claim of the wrong type are the same refusal.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use cofferdam_core::{Now, Reason, TenantId};

use crate::{
    IssuerConfig,
    json::{Object, Value},
    key::Thumbprint,
};

/// The claims of a token whose signature was verified.
#[derive(Debug)]
pub(crate) struct Claims {
    pub(crate) subject: String,
    pub(crate) client: String,
    pub(crate) token_id: String,
    pub(crate) organisation: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) origins: Vec<String>,
    pub(crate) region: Option<String>,
    pub(crate) issued_at_ms: i64,
    /// `nbf`, or `iat` if that is later.
    pub(crate) valid_from_ms: i64,
    pub(crate) expires_at_ms: i64,
    pub(crate) holder_key: Option<Thumbprint>,
}

impl Claims {
    /// Reads the claims and checks everything that the registration and the clock decide.
    pub(crate) fn check(
        claims: &Object<'_>,
        issuer: &IssuerConfig,
        now: Now,
    ) -> Result<Self, Reason> {
        let names = &issuer.claims;
        check_audience(claims, &issuer.audiences)?;
        check_tenant(claims, &names.tenant, &issuer.tenant)?;
        let (issued_at_ms, valid_from_ms, expires_at_ms) = check_times(claims, issuer, now)?;
        Ok(Self {
            subject: required(claims, "sub")?,
            client: required(claims, "client_id")?,
            token_id: required(claims, "jti")?,
            organisation: optional(claims, &names.organisation)?,
            scopes: scopes(claims, &names.scope)?,
            origins: texts(claims, &names.origins)?,
            region: optional(claims, &names.region)?,
            issued_at_ms,
            valid_from_ms,
            expires_at_ms,
            holder_key: holder_key(claims, issuer.requires_dpop)?,
        })
    }
}

/// RFC 7519 section 4.1.3: a string or an array of strings, one of which must be ours.
fn check_audience(claims: &Object<'_>, own: &[String]) -> Result<(), Reason> {
    let is_own = |audience: &str| own.iter().any(|own| own == audience);
    let named = match claims.get("aud") {
        Some(Value::Text(audience)) => is_own(audience),
        Some(Value::Array(_)) => texts(claims, "aud")?.iter().any(|audience| is_own(audience)),
        _ => return Err(Reason::ClaimMissing),
    };
    if named { Ok(()) } else { Err(Reason::WrongAudience) }
}

/// A04: the tenant that is claimed is the tenant whose issuer signed.
fn check_tenant(claims: &Object<'_>, name: &str, own: &TenantId) -> Result<(), Reason> {
    let claimed = claims.text(name).ok_or(Reason::ClaimMissing)?;
    if claimed == own.as_str() { Ok(()) } else { Err(Reason::TenantMismatch) }
}

/// K6, A10: the three times, as integers, against each other and against the clock.
///
/// `exp` has no leeway (see [`IssuerConfig::leeway`]).
fn check_times(
    claims: &Object<'_>,
    issuer: &IssuerConfig,
    now: Now,
) -> Result<(i64, i64, i64), Reason> {
    let expires = time(claims, "exp")?.ok_or(Reason::ClaimMissing)?;
    let issued = time(claims, "iat")?.ok_or(Reason::ClaimMissing)?;
    let not_before = time(claims, "nbf")?.unwrap_or(issued);
    let leeway = millis(issuer.leeway);
    let latest = now.wall_ms().saturating_add(leeway);
    let longest = millis(issuer.longest_lifetime).saturating_add(leeway);
    let lifetime = expires.saturating_sub(issued);
    if now.wall_ms() >= expires || lifetime <= 0 || lifetime > longest {
        return Err(Reason::TokenExpired);
    }
    let valid_from = issued.max(not_before);
    if valid_from > latest {
        return Err(Reason::TokenNotYetValid);
    }
    Ok((issued, valid_from, expires))
}

/// The key that the token is bound to (RFC 7800 section 3.1; RFC 9449 section 6.1).
///
/// A token that is bound in a way that is not checked here (to a certificate, say) is refused: to take
/// it from whoever has it would undo what its issuer meant.
fn holder_key(claims: &Object<'_>, required: bool) -> Result<Option<Thumbprint>, Reason> {
    match claims.get("cnf") {
        None if required => Err(Reason::ProofRefused),
        None => Ok(None),
        Some(Value::Object(confirmation)) => {
            let text = confirmation.sole("jkt").and_then(Value::as_text);
            let bytes = text.and_then(|text| BASE64_URL_SAFE_NO_PAD.decode(text).ok());
            let thumbprint = bytes.and_then(|bytes| bytes.try_into().ok());
            thumbprint.map(Some).ok_or(Reason::ClaimMissing)
        }
        Some(_) => Err(Reason::ClaimMissing),
    }
}

/// The last second of the year 9999: past it a number is a mistake (milliseconds, for one).
const LATEST_TIME_S: i64 = 253_402_300_799;

/// A NumericDate in milliseconds; `None` if the claim is absent.
pub(crate) fn time(claims: &Object<'_>, name: &str) -> Result<Option<i64>, Reason> {
    match claims.get(name) {
        None => Ok(None),
        Some(&Value::Integer(seconds)) if (0..=LATEST_TIME_S).contains(&seconds) => {
            Ok(Some(seconds * 1_000))
        }
        Some(_) => Err(Reason::ClaimMissing),
    }
}

pub(crate) fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// A non-empty string that must be there.
fn required(claims: &Object<'_>, name: &str) -> Result<String, Reason> {
    optional(claims, name)?.filter(|text| !text.is_empty()).ok_or(Reason::ClaimMissing)
}

/// A string that may be absent, but be nothing else.
fn optional(claims: &Object<'_>, name: &str) -> Result<Option<String>, Reason> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => {
            value.as_text().map(|text| Some(text.to_owned())).ok_or(Reason::ClaimMissing)
        }
    }
}

/// The most elements of a list. Each costs some tens of bytes for as long as the session lives,
/// however short it is: thousands of them in 8 KiB of token would be a good part of a megabyte.
const MAX_LIST: usize = 128;

fn bounded(texts: impl Iterator<Item = Result<String, Reason>>) -> Result<Vec<String>, Reason> {
    let list = texts.take(MAX_LIST + 1).collect::<Result<Vec<_>, _>>()?;
    if list.len() > MAX_LIST { Err(Reason::ClaimMissing) } else { Ok(list) }
}

/// An array of strings; empty if the claim is absent.
fn texts(claims: &Object<'_>, name: &str) -> Result<Vec<String>, Reason> {
    match claims.get(name) {
        None => Ok(Vec::new()),
        Some(Value::Array(elements)) => {
            let text = |value: &Value<'_>| value.as_text().map(str::to_owned);
            bounded(elements.iter().map(|element| text(element).ok_or(Reason::ClaimMissing)))
        }
        Some(_) => Err(Reason::ClaimMissing),
    }
}

/// A13: a string is split at U+0020 and at nothing else (RFC 6749 section 3.3); a tab or a
/// no-break space is part of a scope that nobody will ask for.
fn scopes(claims: &Object<'_>, name: &str) -> Result<Vec<String>, Reason> {
    match claims.get(name) {
        Some(Value::Text(list)) => {
            let scopes = list.split(' ').filter(|scope| !scope.is_empty());
            bounded(scopes.map(|scope| Ok(scope.to_owned())))
        }
        _ => texts(claims, name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn scopes_of(text: &str) -> Result<Vec<String>, Reason> {
        scopes(&json::read(text.as_bytes()).unwrap(), "scope")
    }

    /// K6, A10: to the second.
    #[test]
    fn times_are_good_up_to_their_bounds() {
        let tenant = TenantId::parse("acme").unwrap();
        let leeway = Duration::from_secs(30);
        let longest_lifetime = Duration::from_secs(900);
        let issuer = IssuerConfig {
            leeway,
            longest_lifetime,
            ..IssuerConfig::new("https://id.example.com", tenant, "events")
        };
        let times = |iat: i64, exp: i64| {
            let text = format!(r#"{{"iat":{iat},"exp":{exp}}}"#);
            let now = Now::from_millis(0, 1_000_000);
            check_times(&json::read(text.as_bytes()).unwrap(), &issuer, now).map(drop)
        };
        assert_eq!(times(1_000, 1_930), Ok(()));
        assert_eq!(times(1_000, 1_931), Err(Reason::TokenExpired));
        assert_eq!(times(1_030, 1_100), Ok(()));
        assert_eq!(times(1_031, 1_100), Err(Reason::TokenNotYetValid));
        assert_eq!(times(999, 1_001), Ok(()));
        assert_eq!(times(999, 1_000), Err(Reason::TokenExpired));
        assert_eq!(times(1_010, 1_010), Err(Reason::TokenExpired));
    }

    /// A13.
    #[test]
    fn scopes_are_split_at_spaces_and_at_nothing_else() {
        let list = |text: &str| scopes_of(text).unwrap();
        assert_eq!(list(r#"{"scope":"a:read b"}"#), ["a:read", "b"]);
        assert_eq!(list(r#"{"scope":["a b","c"]}"#), ["a b", "c"]);
        assert_eq!(list(r#"{"scope":"a\tb\u00a0c\nd,e"}"#), ["a\tb\u{a0}c\nd,e"]);
        assert!(list(r#"{"scope":""}"#).is_empty() && list("{}").is_empty());
        let many = |count| format!(r#"{{"scope":"{}"}}"#, "a ".repeat(count));
        assert_eq!(list(&many(MAX_LIST)).len(), MAX_LIST);
        assert_eq!(scopes_of(&many(MAX_LIST + 1)), Err(Reason::ClaimMissing));
        for wrong in [r#"{"scope":1}"#, r#"{"scope":["a",1]}"#, r#"{"scope":{}}"#] {
            assert_eq!(scopes_of(wrong), Err(Reason::ClaimMissing), "{wrong}");
        }
    }
}
