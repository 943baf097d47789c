//! Requests for a token, as far as a machine without a clock or a key can say them.
//!
//! An effect carries a [`TokenRequest`], not a finished form: signing an assertion takes up to a
//! millisecond and needs the time at which it is sent, so the driver does it, outside of any lock.

use std::{fmt, sync::Arc};

use cofferdam_core::{Now, Scoped, TenantId};
use zeroize::Zeroizing;

use super::{
    Assertion, AssertionAudience, Body, Client, Credential, Failure, TokenForm, Witness, form,
    response::Grant,
};

/// A token is wanted from a tenant's authorisation server.
#[derive(Clone)]
pub struct TokenRequest {
    client: Arc<Client>,
    attempt: u64,
    nonce: [u8; 16],
}

/// What goes over HTTP: a form to be posted, or a GET if there is none. Erased when dropped; `Debug`
/// shows the address alone.
pub struct HttpRequest {
    endpoint: String,
    authorization: Option<Zeroizing<String>>,
    form: Option<Zeroizing<String>>,
}

impl TokenRequest {
    pub(super) const fn new(client: Arc<Client>, attempt: u64, nonce: [u8; 16]) -> Self {
        Self { client, attempt, nonce }
    }

    /// Which attempt this is: the outcome is told with it.
    #[must_use]
    pub const fn attempt(&self) -> u64 {
        self.attempt
    }

    /// The request of RFC 6749 section 4.4.2.
    ///
    /// # Errors
    ///
    /// [`Failure::Signing`] if the client's assertion cannot be signed.
    pub fn http(&self, now: Now) -> Result<HttpRequest, Failure> {
        let config = &self.client.config;
        let scopes: Vec<&str> = config.scopes.iter().map(String::as_str).collect();
        let scopes = scopes.join(" ");
        let mut pairs = vec![("grant_type", "client_credentials")];
        if !scopes.is_empty() {
            pairs.push(("scope", &scopes));
        }
        pairs.extend(config.parameters.iter().map(|(name, value)| (&**name, &**value)));
        self.authenticated(&config.token_endpoint, pairs, self.nonce, now)
    }

    /// The question whose the token in `answer` is, if the registration wants it asked.
    ///
    /// # Errors
    ///
    /// [`Failure`] if `answer` is no sound token response, or the question cannot be signed.
    pub fn witness(&self, answer: &Body, now: Now) -> Result<Option<HttpRequest>, Failure> {
        let TokenForm::Opaque(witness) = &self.client.config.token_form else { return Ok(None) };
        match witness {
            Witness::Nobody => Ok(None),
            Witness::Identity { endpoint, .. } => {
                let token = Grant::read(answer.bytes())?.token;
                Ok(Some(HttpRequest {
                    endpoint: endpoint.clone(),
                    authorization: Some(form::header("Bearer ", &token)),
                    form: None,
                }))
            }
            Witness::Introspection { endpoint, .. } => {
                let token = Grant::read(answer.bytes())?.token;
                let pairs = vec![("token", &**token), ("token_type_hint", "access_token")];
                // A second assertion needs an id of its own.
                let mut nonce = self.nonce;
                nonce[15] = !nonce[15];
                self.authenticated(endpoint, pairs, nonce, now).map(Some)
            }
        }
    }

    /// A form with the client's proof in it or beside it.
    fn authenticated(
        &self,
        endpoint: &str,
        pairs: Vec<(&str, &str)>,
        nonce: [u8; 16],
        now: Now,
    ) -> Result<HttpRequest, Failure> {
        let config = &self.client.config;
        let mut authorization = None;
        let assertion;
        let mut pairs = pairs;
        match &config.credential {
            Credential::Basic(secret) => {
                authorization = Some(form::basic(&config.client_id, secret.expose()));
            }
            Credential::Post(secret) => {
                pairs.push(("client_id", &config.client_id));
                pairs.push(("client_secret", secret.expose()));
            }
            Credential::PrivateKey { key, audience } => {
                let audience = self.audience(*audience);
                let signed = key.assert(&config.client_id, audience, nonce, now);
                assertion = signed.map_err(|_| Failure::Signing)?;
                pairs.push(("client_id", &config.client_id));
                pairs.push(("client_assertion_type", ASSERTION_TYPE));
                pairs.push(("client_assertion", &assertion));
            }
        }
        let form = Some(form::encode(&pairs));
        Ok(HttpRequest { endpoint: endpoint.to_owned(), authorization, form })
    }

    fn audience(&self, audience: AssertionAudience) -> &str {
        let config = &self.client.config;
        match (audience, config.token_form.expected()) {
            (AssertionAudience::Issuer, Some(expected)) => match &expected.issuer {
                Assertion::Equals { value, .. } => value,
                // Refused at registration.
                Assertion::NotStated => &config.token_endpoint,
            },
            _ => &config.token_endpoint,
        }
    }
}

/// RFC 7523 section 2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

impl Scoped for TokenRequest {
    fn tenant(&self) -> &TenantId {
        self.client.tenant()
    }
}

impl fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRequest")
            .field("client", &self.client)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

impl HttpRequest {
    /// Where it goes. From the registration, never from an answer.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The value of the header `Authorization`, if there is one.
    #[must_use]
    pub fn authorization(&self) -> Option<&str> {
        self.authorization.as_ref().map(|value| value.as_str())
    }

    /// The body, `application/x-www-form-urlencoded`; a GET if there is none.
    #[must_use]
    pub fn form(&self) -> Option<&str> {
        self.form.as_ref().map(|form| form.as_str())
    }
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}
