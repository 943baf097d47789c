//! Why something was refused, and the little of it that a peer may learn.

use core::fmt;

use crate::{Scoped, TenantId};

/// The only thing a peer is told.
///
/// Wrong key, expired, unknown tenant, foreign tenant, malformed: all look alike, because each
/// difference is an oracle (SECURITY K7, X01). The reason goes to the tenant's own audit log as a
/// [`Refusal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, thiserror::Error)]
#[error("denied")]
#[non_exhaustive]
pub struct Denied;

/// A refusal on behalf of one tenant, with the reason: for the audit log, not for the peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    tenant: TenantId,
    reason: Reason,
}

impl Refusal {
    /// Names the tenant whose audit log this belongs to, and why.
    #[must_use]
    pub const fn new(tenant: TenantId, reason: Reason) -> Self {
        Self { tenant, reason }
    }

    /// Why.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }
}

impl Scoped for Refusal {
    fn tenant(&self) -> &TenantId {
        &self.tenant
    }
}

impl From<Refusal> for Denied {
    fn from(_: Refusal) -> Self {
        Self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.reason, f)
    }
}

impl core::error::Error for Refusal {}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)+) => {
        /// Why an event, a credential or a call was refused.
        ///
        /// The number is what audit leaves hold; it never changes its meaning. A reason names a
        /// kind of fault and holds nothing of the input.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        #[repr(u16)]
        pub enum Reason {
            $($(#[$doc])* $name = $code,)+
        }

        impl Reason {
            /// Every reason, in the order of the codes.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The stable number.
            #[must_use]
            pub const fn code(self) -> u16 {
                self as u16
            }

            /// The reason with this number, if there is one.
            #[must_use]
            pub fn from_code(code: u16) -> Option<Self> {
                Self::ALL.iter().copied().find(|reason| reason.code() == code)
            }
        }

        impl fmt::Display for Reason {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$name => $text,)+ })
            }
        }
    };
}

reasons! {
    /// The context was bound to another tenant, connection or epoch, or minted by another authority.
    StampMismatch = 1, "the context is not the one that this compartment was bound to";
    /// The context's expiry has passed.
    Expired = 2, "the context has expired";
    /// A stage (filter, policy, log) belongs to another tenant than the event.
    ForeignStage = 3, "a stage of another tenant was offered the event";
    /// The body names another organisation than the context's.
    ForeignOrganisation = 4, "the event names another organisation than the connection's";
    /// Not one RFC 8259 object.
    Malformed = 10, "the event is not one sound json object";
    /// A byte sequence that is not UTF-8, or a lone surrogate.
    InvalidText = 11, "the event holds text that is not unicode";
    /// One object holds one name twice, after unescaping.
    DuplicateName = 12, "an object of the event holds one name twice";
    /// Nested deeper than the limit.
    TooDeep = 13, "the event is nested too deeply";
    /// More bytes than the limit.
    TooLarge = 14, "the event is too large";
    /// A number whose magnitude common readers disagree on.
    NumberOutOfRange = 15, "the event holds a number out of range";
    /// The event does not fit its schema.
    SchemaMismatch = 16, "the event does not fit its schema";
    /// To judge the event by the tenant's own rules would take more steps than are allowed.
    TooCostly = 17, "the event takes too many steps to judge";
    /// Redaction failed; the raw event goes nowhere.
    RedactionFailed = 20, "the event could not be redacted";
    /// The audit log cannot take the leaf.
    AuditUnavailable = 21, "the audit log is unavailable";
    /// The compartment is draining.
    ShuttingDown = 22, "the compartment is shutting down";
    /// No credential, or one that cannot be read.
    CredentialMalformed = 30, "the credential cannot be read";
    /// The signature does not verify.
    SignatureInvalid = 31, "the signature does not verify";
    /// No key under this issuer and key id.
    UnknownKey = 32, "no key under this issuer and key id";
    /// The algorithm is not on the issuer's list, or not the key's.
    AlgorithmRefused = 33, "the algorithm is not allowed for this key";
    /// The issuer is not registered.
    UnknownIssuer = 34, "the issuer is not registered";
    /// The token is for another audience.
    WrongAudience = 35, "the token is for another audience";
    /// The token is of another type.
    WrongTokenType = 36, "the token is of another type";
    /// The token has expired or lives too long.
    TokenExpired = 37, "the token has expired or lives longer than allowed";
    /// The token is not valid yet.
    TokenNotYetValid = 38, "the token is not valid yet";
    /// A claim that must be there is missing, or of the wrong type.
    ClaimMissing = 39, "a required claim is missing or of the wrong type";
    /// The tenant of the key, of the claim and of the route are not the same.
    TenantMismatch = 40, "key, claim and route do not name one tenant";
    /// The scope that the call needs is not in the token.
    ScopeMissing = 41, "the token lacks the scope";
    /// The origin is missing or not in the token's list.
    OriginRefused = 42, "the origin is not allowed";
    /// The request is not one well-formed upgrade.
    RequestMalformed = 43, "the request is not one well-formed upgrade";
    /// The token was revoked.
    Revoked = 44, "the token was revoked";
    /// The token is bound to another region.
    WrongRegion = 45, "the token is for another region";
    /// The request names a host that is not served here.
    HostNotServed = 49, "the request names a host that is not served here";
    /// The token and the proof that its holder has its key do not fit, or one of them is missing.
    ProofRefused = 50, "the proof of possession is missing or does not fit";
    /// The proof of possession was used before.
    ProofReplayed = 51, "the proof of possession was used before";
    /// The proof of possession does not hold a nonce of ours.
    ProofNonceMissing = 52, "the proof of possession lacks a fresh nonce";
    /// The tenant uses more proofs of possession than can be remembered.
    TooManyProofs = 53, "the tenant uses more proofs of possession than can be remembered";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_round_trip() {
        for pair in Reason::ALL.windows(2) {
            assert!(pair[0].code() < pair[1].code());
        }
        for &reason in Reason::ALL {
            assert_eq!(Reason::from_code(reason.code()), Some(reason));
        }
        assert_eq!(Reason::from_code(0), None);
    }

    #[test]
    fn every_reason_looks_the_same_to_a_peer() {
        let tenant = TenantId::parse("a").unwrap();
        for &reason in Reason::ALL {
            let shown = Denied::from(Refusal::new(tenant.clone(), reason)).to_string();
            assert_eq!(shown, "denied");
        }
    }
}
