//! Text that is erased when it is dropped and that no `Debug` shows: client secrets and tokens.

use std::{fmt, sync::Arc};

use cofferdam_core::{Now, Scoped, TenantId};
use zeroize::Zeroizing;

/// A client secret. Erased when dropped, never shown.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes `text` over. A `String` is moved, not copied; where it was copied from is the caller's
    /// to erase.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The bytes of an answer that may hold a token. Erased when dropped, never shown.
#[derive(Clone)]
pub struct Body(Zeroizing<Vec<u8>>);

impl Body {
    /// Takes `bytes` over.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.0.len())
    }
}

/// An access token whose tenant, audience, issuer and scopes were asserted.
///
/// Cloning copies a pointer. The text is erased with the last copy, and `Debug` does not show it.
#[derive(Clone)]
pub struct AccessToken(Arc<Inner>);

struct Inner {
    tenant: TenantId,
    serial: u64,
    expires: Now,
    text: Zeroizing<String>,
}

impl AccessToken {
    pub(super) fn new(
        tenant: TenantId,
        serial: u64,
        expires: Now,
        text: Zeroizing<String>,
    ) -> Self {
        Self(Arc::new(Inner { tenant, serial, expires, text }))
    }

    /// The token itself, for the header `Authorization: Bearer` of a request in this tenant's name.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0.text
    }

    /// Which of the tenant's tokens this is: what [`Input::Rejected`](super::Input::Rejected) names.
    #[must_use]
    pub fn serial(&self) -> u64 {
        self.0.serial
    }

    /// When it expires, on the monotonic clock alone; the wall part means nothing.
    #[must_use]
    pub fn expires(&self) -> Now {
        self.0.expires
    }
}

impl Scoped for AccessToken {
    fn tenant(&self) -> &TenantId {
        &self.0.tenant
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { tenant, serial, expires, .. } = &*self.0;
        f.debug_struct("AccessToken")
            .field("tenant", tenant)
            .field("serial", serial)
            .field("expires_ns", &expires.monotonic_ns())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What holds something shows that it does, and nothing of it; what asks for it gets it.
    #[test]
    fn each_is_shown_by_its_kind_alone() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(..)");
        assert_eq!(format!("{:?}", Body::new("hunter2")), "Body(7 bytes)");
        let tenant = TenantId::parse("acme").unwrap();
        let text = Zeroizing::new("t0k".to_owned());
        let token = AccessToken::new(tenant, 3, Now::from_millis(0, 0), text);
        assert_eq!((token.expose(), token.serial()), ("t0k", 3));
        let shown = format!("{token:?}");
        assert!(shown.contains("acme") && !shown.contains("t0k"), "{shown}");
    }
}
