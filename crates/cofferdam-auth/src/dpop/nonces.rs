//! Nonces that need no memory: a period of time under a secret's seal.
//!
//! A nonce says when it was made, rounded down to a window, and for which tenant. It is good in that
//! window and the next one, so for one to two windows.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use cofferdam_core::{Now, TenantId};

use crate::claims::millis;

pub(super) struct Nonces {
    key: hmac::Key,
    window_ms: i64,
}

impl Nonces {
    pub(super) fn new(secret: &[u8; 32], window: Duration) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret), window_ms: millis(window) }
    }

    /// The nonce of this moment.
    pub(super) fn make(&self, tenant: &TenantId, now: Now) -> Box<str> {
        let tag = hmac::sign(&self.key, &sealed(self.period(now), tenant));
        BASE64_URL_SAFE_NO_PAD.encode(tag).into_boxed_str()
    }

    /// Whether `nonce` was made for this tenant, in this window or the one before.
    pub(super) fn made(&self, nonce: &str, tenant: &TenantId, now: Now) -> bool {
        let period = self.period(now);
        let Ok(tag) = BASE64_URL_SAFE_NO_PAD.decode(nonce) else { return false };
        [period, period.saturating_sub(1)]
            .iter()
            .any(|&period| hmac::verify(&self.key, &sealed(period, tenant), &tag).is_ok())
    }

    const fn period(&self, now: Now) -> i64 {
        now.wall_ms().div_euclid(self.window_ms)
    }
}

/// The period has a fixed length, so the two cannot run into each other.
fn sealed(period: i64, tenant: &TenantId) -> Vec<u8> {
    [&period.to_be_bytes()[..], tenant.as_str().as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A14.
    #[test]
    fn a_nonce_is_good_for_its_tenant_in_two_windows() {
        let nonces = Nonces::new(&[1; 32], Duration::from_secs(60));
        let acme = TenantId::parse("acme").unwrap();
        let at = |seconds: i64| Now::from_millis(0, seconds * 1_000);
        let nonce = nonces.make(&acme, at(120));
        for good in [120, 179, 180, 239] {
            assert!(nonces.made(&nonce, &acme, at(good)), "{good}");
        }
        for bad in [0, 60, 119, 240, 241, 1_000, -120] {
            assert!(!nonces.made(&nonce, &acme, at(bad)), "{bad}");
        }
        let globex = TenantId::parse("globex").unwrap();
        assert!(!nonces.made(&nonce, &globex, at(120)));
        let other = Nonces::new(&[2; 32], Duration::from_secs(60));
        assert!(!other.made(&nonce, &acme, at(120)));
        for text in ["", "AA", "no nonce", &nonce[1..], &format!("{nonce}=")] {
            assert!(!nonces.made(text, &acme, at(120)), "{text}");
        }
    }
}
