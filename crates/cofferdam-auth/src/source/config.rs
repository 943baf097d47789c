//! What is registered of one tenant's client: how it proves itself, and what its tokens must say.

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use cofferdam_core::{Scoped, TenantId};

use super::{
    AssertionKey, Secret, TokenForm, endpoint,
    expected::is_short,
    scope::{MAX_SCOPES, is_scope},
};

/// How a client proves to its authorisation server who it is.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Credential {
    /// A secret in the header `Authorization: Basic` (RFC 6749 section 2.3.1): what servers must
    /// support.
    Basic(Secret),
    /// A secret in the form, for servers that want it there.
    Post(Secret),
    /// A signature (`private_key_jwt`, RFC 7523): nothing that the server could lose.
    PrivateKey {
        /// The key.
        key: Arc<AssertionKey>,
        /// Whom assertions are for. Prefer the issuer.
        audience: AssertionAudience,
    },
}

/// Whom a client's assertion is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AssertionAudience {
    /// The issuer that the registration expects of tokens, which it then must name.
    Issuer,
    /// The address that the form is sent to.
    TokenEndpoint,
}

/// The registration of one tenant's client.
///
/// A plain record, so that it can be written down with `..ClientConfig::new(..)`;
/// [`Clients::register`](super::Clients::register) checks it.
#[derive(Clone)]
pub struct ClientConfig {
    /// The one tenant that the client is for.
    pub tenant: TenantId,
    /// Where tokens are asked for: `https`, or `http` to this machine.
    pub token_endpoint: String,
    /// The client's id, 1 to 256 printable ASCII characters.
    pub client_id: String,
    /// How it proves itself.
    pub credential: Credential,
    /// What its tokens are, and must say.
    pub token_form: TokenForm,
    /// Exactly the scopes that a token must have, at most 64 of at most 128 bytes. They are asked
    /// for, unless there are none.
    pub scopes: BTreeSet<String>,
    /// Further parameters of the request, at most 8: `audience`, or `resource` (RFC 8707).
    pub parameters: Vec<(String, String)>,
    /// How long a token lives whose response does not say (`expires_in` is recommended, not
    /// required). None by default: such a response is refused.
    pub assumed_lifetime: Option<Duration>,
    /// The longest lifetime that is believed; 48 hours by default, at most 30 days. A response that
    /// says more is refused.
    pub longest_lifetime: Duration,
    /// The lifetime that is usual, as the baseline of the refresh rate. By default it is that of
    /// the newest token, and then a server that shortens lifetimes moves its own baseline.
    pub usual_lifetime: Option<Duration>,
}

/// Shows whose it is, and not what is in its parameters: an `api_key` may be.
impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig")
            .field("tenant", &self.tenant)
            .field("token_endpoint", &self.token_endpoint)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

impl ClientConfig {
    /// A registration with the defaults and no scopes.
    #[must_use]
    pub fn new(
        tenant: TenantId,
        token_endpoint: &str,
        client_id: &str,
        credential: Credential,
        token_form: TokenForm,
    ) -> Self {
        Self {
            tenant,
            token_endpoint: token_endpoint.to_owned(),
            client_id: client_id.to_owned(),
            credential,
            token_form,
            scopes: BTreeSet::new(),
            parameters: Vec::new(),
            assumed_lifetime: None,
            longest_lifetime: Duration::from_secs(48 * 60 * 60),
            usual_lifetime: None,
        }
    }

    /// Checks the record by itself and says which server it belongs to.
    pub(super) fn check(&self) -> Result<String, InvalidClient> {
        let origin = endpoint::origin(&self.token_endpoint).ok_or(InvalidClient::Endpoint)?;
        let second = self.token_form.endpoint();
        let lifetimes = [self.assumed_lifetime, self.usual_lifetime];
        let is_lifetime = |span: &Duration| (SHORTEST..=LONGEST).contains(span);
        match () {
            () if !is_vschar(&self.client_id, 256) => Err(InvalidClient::ClientId),
            () if !self.credential.is_sound(&self.token_form) => Err(InvalidClient::Credential),
            () if second.is_some_and(|second| endpoint::origin(second).is_none()) => {
                Err(InvalidClient::Endpoint)
            }
            () if !self.token_form.is_sound() => Err(InvalidClient::TokenForm),
            () if self.scopes.len() > MAX_SCOPES || !self.scopes.iter().all(|s| is_scope(s)) => {
                Err(InvalidClient::Scopes)
            }
            () if !self.parameters_are_sound() => Err(InvalidClient::Parameters),
            () if !is_lifetime(&self.longest_lifetime)
                || !lifetimes.iter().flatten().all(is_lifetime) =>
            {
                Err(InvalidClient::Lifetime)
            }
            () => Ok(origin),
        }
    }

    fn parameters_are_sound(&self) -> bool {
        let sound = |(name, value): &(String, String)| {
            is_vschar(name, 64) && !OWN_PARAMETERS.contains(&name.as_str()) && is_short(value)
        };
        self.parameters.len() <= 8 && self.parameters.iter().all(sound)
    }
}

/// Parameters that the request has already, or that would make it another grant.
const OWN_PARAMETERS: &[&str] = &[
    "grant_type",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "scope",
    "assertion",
    "code",
    "username",
    "password",
    "refresh_token",
];
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

impl Credential {
    fn is_sound(&self, form: &TokenForm) -> bool {
        match self {
            Self::Basic(secret) | Self::Post(secret) => is_vschar(secret.expose(), 1024),
            Self::PrivateKey { audience: AssertionAudience::TokenEndpoint, .. } => true,
            Self::PrivateKey { audience: AssertionAudience::Issuer, .. } => {
                form.expected().is_some_and(|expected| expected.issuer.is_stated())
            }
        }
    }
}

/// RFC 6749 appendix A: VSCHAR, printable ASCII with the space.
fn is_vschar(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(|b| (0x20..=0x7e).contains(&b))
}

/// Why a registration was refused. It never says whose the other registration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidClient {
    /// The tenant has a client already.
    #[error("the tenant has a client already")]
    TenantTaken,
    /// The tenant has none to replace.
    #[error("the tenant has no client")]
    UnknownTenant,
    /// Another tenant has this client id at this server.
    #[error("the client id belongs to another tenant, and a client belongs to one")]
    ClientShared,
    /// Another tenant has this secret or key.
    #[error("the credential belongs to another tenant, and a credential belongs to one")]
    CredentialShared,
    /// There are too many clients.
    #[error("the registry is full")]
    Full,
    /// An address that is not https, or that can be spelt in several ways.
    #[error("an endpoint is not a plain https address")]
    Endpoint,
    /// Empty, too long, or not printable ASCII.
    #[error("the client id is not printable ascii of a sound length")]
    ClientId,
    /// A secret of no sound form, or an assertion for an issuer that is not named.
    #[error("the credential has no sound form")]
    Credential,
    /// Something that must be asserted is not, or cannot be found.
    #[error("the token form leaves something unasserted")]
    TokenForm,
    /// More than 64 scopes, or text that is not a scope.
    #[error("the scopes are not a short list of scope names")]
    Scopes,
    /// A parameter that is not the caller's to set.
    #[error("a request parameter is not sound or not free")]
    Parameters,
    /// Under a second or over 30 days.
    #[error("a lifetime is not between a second and 30 days")]
    Lifetime,
}

/// A registration that was checked, and that belongs to one tenant alone.
///
/// Made by [`Clients`](super::Clients) and by nothing else.
pub struct Client {
    pub(super) config: ClientConfig,
    pub(super) origin: String,
}

impl Client {
    /// Whether a token that was asserted under `self` would be under `other`: only the credential
    /// and the lifetimes differ.
    pub(super) fn asserts_as(&self, other: &Self) -> bool {
        let (own, other) = (&self.config, &other.config);
        own.tenant == other.tenant
            && own.token_endpoint == other.token_endpoint
            && own.client_id == other.client_id
            && own.token_form == other.token_form
            && own.scopes == other.scopes
            && own.parameters == other.parameters
    }
}

impl Scoped for Client {
    fn tenant(&self) -> &TenantId {
        &self.config.tenant
    }
}

/// Shows whose it is and where it goes.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("tenant", &self.config.tenant)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}
