//! What must be said of a token before it is used, and who may say it.

/// What an answer must say of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assertion {
    /// A member must be there and equal this text. An audience may also be a list that holds it, as
    /// RFC 7519 section 4.1.3 has it; a number equals its decimal digits.
    Equals {
        /// The names from the document down to the member: `["tenant"]`, `["organization", "id"]`.
        /// At most 4; names are whole, so a name may hold dots.
        member: Vec<String>,
        /// What it must be.
        value: String,
    },
    /// Nothing in this answer says it, and nothing is asserted. Written out, so that it is a
    /// decision and not an omission.
    NotStated,
}

impl Assertion {
    /// The member `name` of the document must equal `value`.
    #[must_use]
    pub fn claim(name: &str, value: &str) -> Self {
        Self::at(&[name], value)
    }

    /// The member at the end of `path` must equal `value`.
    #[must_use]
    pub fn at(path: &[&str], value: &str) -> Self {
        let member = path.iter().map(|&name| name.to_owned()).collect();
        Self::Equals { member, value: value.to_owned() }
    }

    pub(super) const fn is_stated(&self) -> bool {
        matches!(self, Self::Equals { .. })
    }

    fn is_sound(&self) -> bool {
        match self {
            Self::Equals { member, value } => is_path(member) && is_short(value),
            Self::NotStated => true,
        }
    }
}

/// What the claims of a token, or an answer about it, must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Who issued it.
    pub issuer: Assertion,
    /// Whom it is for.
    pub audience: Assertion,
    /// Whose it is, as the platform names the tenant.
    pub tenant: Assertion,
    /// Where it is good.
    pub region: Assertion,
    /// Where the scopes stand, a text with spaces or a list; empty if only the token response says
    /// them. If they stand there, they must be there.
    pub scopes: Vec<String>,
}

impl Expected {
    /// The registered claims `iss` and `aud`, a tenant claim called `tenant`, scopes in `scope`, no
    /// region.
    #[must_use]
    pub fn new(issuer: &str, audience: &str, tenant: &str) -> Self {
        Self {
            issuer: Assertion::claim("iss", issuer),
            audience: Assertion::claim("aud", audience),
            tenant: Assertion::claim("tenant", tenant),
            region: Assertion::NotStated,
            scopes: vec!["scope".to_owned()],
        }
    }

    fn is_sound(&self) -> bool {
        let all = [&self.issuer, &self.audience, &self.tenant, &self.region];
        all.iter().all(|own| own.is_sound()) && (self.scopes.is_empty() || is_path(&self.scopes))
    }
}

/// What a token is to us, and with that, who can say whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenForm {
    /// A JWT, whose claims are read. Its signature is not checked: it came over TLS from the token
    /// endpoint that was registered, and whoever could forge it there could sign it as well.
    /// Issuer and audience must be asserted.
    Jwt(Expected),
    /// Text without a meaning to us, as RFC 6749 section 1.4 sees it.
    Opaque(Witness),
}

/// Who says whose an opaque token is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Witness {
    /// Nobody. The scopes of the token response are all that is asserted; whose the token is
    /// follows from whose client asked, and from nothing else.
    Nobody,
    /// The platform, asked with the token itself by GET at this address (Genesys Cloud:
    /// `/api/v2/tokens/me`). The tenant must be asserted.
    Identity {
        /// The address.
        endpoint: String,
        /// What the answer must say.
        expected: Expected,
    },
    /// The server, by introspection (RFC 7662), with the client's own credential. The tenant must
    /// be asserted, and the token be active.
    Introspection {
        /// The address.
        endpoint: String,
        /// What the answer must say.
        expected: Expected,
    },
}

impl TokenForm {
    /// What is asserted beside the response's scopes.
    pub(super) const fn expected(&self) -> Option<&Expected> {
        match self {
            Self::Opaque(Witness::Nobody) => None,
            Self::Jwt(expected)
            | Self::Opaque(
                Witness::Identity { expected, .. } | Witness::Introspection { expected, .. },
            ) => Some(expected),
        }
    }

    /// The second address, if there is one.
    pub(super) fn endpoint(&self) -> Option<&str> {
        match self {
            Self::Jwt(_) | Self::Opaque(Witness::Nobody) => None,
            Self::Opaque(
                Witness::Identity { endpoint, .. } | Witness::Introspection { endpoint, .. },
            ) => Some(endpoint),
        }
    }

    pub(super) fn is_sound(&self) -> bool {
        self.expected().is_none_or(Expected::is_sound)
            && match self {
                Self::Jwt(own) => own.issuer.is_stated() && own.audience.is_stated(),
                Self::Opaque(Witness::Nobody) => true,
                Self::Opaque(
                    Witness::Identity { expected, .. } | Witness::Introspection { expected, .. },
                ) => expected.tenant.is_stated(),
            }
    }
}

fn is_path(member: &[String]) -> bool {
    (1..=4).contains(&member.len()) && member.iter().all(|name| is_short(name))
}

/// Whether `text` has a length that a registration may have.
pub(super) fn is_short(text: &str) -> bool {
    (1..=1024).contains(&text.len())
}
