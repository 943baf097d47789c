//! Tokens of our own: the client credentials grant (RFC 6749 section 4.4), one client per tenant.
//!
//! A gateway is a client of its tenants' platforms (Genesys Cloud, CXone), and there the tenant is
//! decided by which client asks. What can go wrong is that two tenants share a client, that one
//! tenant's token comes back for another, or that a token can do more than anybody registered. So:
//!
//! * [`Clients`] registers one client per tenant, and refuses one id, secret or key under two;
//! * [`TokenSource`] is a machine that keeps one tenant in a valid token: renewed ahead of its end,
//!   one request at a time, with backoff and a breaker, and checked before each use;
//! * every token is held against its registration before anybody gets it: issuer, audience, tenant,
//!   region, and *exactly* the registered scopes ([`ScopeDrift`] names the difference);
//! * [`RefreshRate`] is the metric of how often tokens are renewed against how often they must be,
//!   and [`Alert`] what an operator should hear.
//!
//! Nothing here does I/O or knows the time; `cofferdam_tokio::TokenClient` drives it.
//!
//! # Example
//!
//! ```
//! use cofferdam_auth::source::{
//!     Body, ClientConfig, Clients, Credential, Effect, Expected, Input, RequestId, Secret,
//!     SourceLimits, TokenForm, TokenSource, Witness,
//! };
//! use cofferdam_core::{Machine, Now, TenantId};
//!
//! let acme = TenantId::parse("acme")?;
//! let config = ClientConfig {
//!     scopes: ["notifications".to_owned()].into(),
//!     ..ClientConfig::new(
//!         acme,
//!         "https://login.example.com/oauth/token",
//!         "5c1d6a3e",
//!         Credential::Basic(Secret::new("from-your-vault")),
//!         TokenForm::Opaque(Witness::Nobody),
//!     )
//! };
//! let mut clients = Clients::new([7; 32]); // random bytes
//! let client = clients.register(config)?;
//!
//! let mut source = TokenSource::new(client, SourceLimits::default(), [9; 32]); // random bytes
//! let (now, mut effects) = (Now::from_millis(0, 0), Vec::new());
//! source.handle_input(Input::Wanted { request: RequestId(1) }, now, &mut effects);
//! let [Effect::Request(request)] = &effects[..] else { panic!() };
//! let http = request.http(now)?;
//! assert_eq!(http.form(), Some("grant_type=client_credentials&scope=notifications"));
//!
//! // The driver sends it, and tells the answer.
//! let answer = Body::new(r#"{"access_token":"qL8","token_type":"bearer","expires_in":86400}"#);
//! let input = Input::Obtained { attempt: request.attempt(), answer, witness: None };
//! effects.clear();
//! source.handle_input(input, now, &mut effects);
//! assert!(matches!(&effects[..], [Effect::Ready { token, .. }] if token.expose() == "qL8"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod assertion;
mod chance;
mod clients;
mod config;
mod endpoint;
mod expected;
mod failure;
mod form;
mod machine;
mod message;
mod pace;
mod rate;
mod request;
mod response;
mod scope;
mod secret;
mod waiters;

pub use assertion::{AssertionKey, InvalidAssertionKey};
pub use clients::Clients;
pub use config::{AssertionAudience, Client, ClientConfig, Credential, InvalidClient};
pub use expected::{Assertion, Expected, TokenForm, Witness};
pub use failure::{Failure, NoToken, OAuthError, Unsound};
pub use machine::TokenSource;
pub use message::{Alert, Effect, Input, RequestId, SourceLimits};
pub use rate::RefreshRate;
pub use request::{HttpRequest, TokenRequest};
pub use scope::ScopeDrift;
pub use secret::{AccessToken, Body, Secret};
