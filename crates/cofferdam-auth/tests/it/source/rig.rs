//! A tenant's client, a source of its tokens, and time that moves when told to.

use std::{sync::Arc, time::Duration};

use cofferdam_auth::source::{
    AccessToken, Alert, Body, Client, ClientConfig, Clients, Credential, Effect, Expected, Failure,
    Input, NoToken, RequestId, Secret, SourceLimits, TokenForm, TokenRequest, TokenSource,
};
use cofferdam_core::{Machine, Now};
use cofferdam_sim::Clock;
use serde_json::{Value, json};

use crate::world::{encode, tenant};

pub(crate) const ENDPOINT: &str = "https://login.example.com/oauth/token";
pub(crate) const ISSUER: &str = "https://login.example.com";
pub(crate) const AUDIENCE: &str = "https://api.example.com";

/// A registration whose tokens are JWTs with the scopes `a` and `b`.
pub(crate) fn config(id: &str) -> ClientConfig {
    let expected = Expected::new(ISSUER, AUDIENCE, &format!("org-{id}"));
    let credential = Credential::Basic(Secret::new(format!("secret-of-{id}")));
    ClientConfig {
        scopes: ["a", "b"].map(str::to_owned).into(),
        ..ClientConfig::new(
            tenant(id),
            ENDPOINT,
            &format!("client-{id}"),
            credential,
            TokenForm::Jwt(expected),
        )
    }
}

pub(crate) fn client(config: ClientConfig) -> Arc<Client> {
    Clients::new([1; 32]).register(config).unwrap()
}

/// What a JWT of `id` says.
pub(crate) fn claims(id: &str) -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "tenant": format!("org-{id}"), "scope": "a b",
        "client_id": format!("client-{id}"), "jti": "1",
    })
}

pub(crate) fn jwt(claims: &Value) -> String {
    let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": "k"});
    format!("{}.{}.{}", encode(header.to_string()), encode(claims.to_string()), encode("s"))
}

/// A token response with this JWT in it.
pub(crate) fn response(claims: &Value, expires_in: u64) -> Value {
    json!({"access_token": jwt(claims), "token_type": "Bearer", "expires_in": expires_in})
}

pub(crate) fn good(id: &str, expires_in: u64) -> Body {
    Body::new(response(&claims(id), expires_in).to_string())
}

pub(crate) struct Rig {
    pub(crate) source: TokenSource,
    pub(crate) clock: Clock,
    pub(crate) effects: Vec<Effect>,
    asked: u64,
}

impl Rig {
    pub(crate) fn new(config: ClientConfig) -> Self {
        Self::limited(config, SourceLimits::default())
    }

    pub(crate) fn limited(config: ClientConfig, limits: SourceLimits) -> Self {
        let source = TokenSource::new(client(config), limits, [3; 32]);
        Self { source, clock: Clock::new(), effects: Vec::new(), asked: 0 }
    }

    pub(crate) fn acme() -> Self {
        Self::new(config("acme"))
    }

    /// With a token of acme's of this lifetime, obtained at once and used.
    pub(crate) fn with_token(expires_in: u64) -> Self {
        let mut rig = Self::acme();
        rig.want();
        rig.succeed(expires_in);
        assert_eq!(rig.ready().len(), 1);
        rig
    }

    pub(crate) fn tell(&mut self, input: Input) {
        self.source.handle_input(input, self.clock.now(), &mut self.effects);
    }

    pub(crate) fn want(&mut self) -> RequestId {
        self.asked += 1;
        let request = RequestId(self.asked);
        self.tell(Input::Wanted { request });
        request
    }

    /// Lets time pass, and fires what is due on the way, at its own time.
    pub(crate) fn pass(&mut self, span: Duration) {
        let end = self.clock.now().after(span);
        for _ in 0..10_000 {
            let Some(due) = self.source.poll_timeout().filter(|due| end.reached(*due)) else {
                self.clock.advance(end.since(self.clock.now()));
                return;
            };
            let now = self.clock.advance(due.since(self.clock.now()));
            self.source.handle_timeout(now, &mut self.effects);
        }
        panic!("the machine spins");
    }

    pub(crate) fn seconds(&mut self, seconds: u64) {
        self.pass(Duration::from_secs(seconds));
    }

    /// Lets time pass until a request is sent, at most this long.
    pub(crate) fn until_request(&mut self, longest: Duration) {
        let end = self.clock.now().after(longest);
        while !self.effects.iter().any(|effect| matches!(effect, Effect::Request(_))) {
            let due = self.source.poll_timeout().filter(|due| end.reached(*due)).unwrap();
            let now = self.clock.advance(due.since(self.clock.now()));
            self.source.handle_timeout(now, &mut self.effects);
        }
    }

    fn take<T>(&mut self, pick: impl Fn(&Effect) -> Option<T>) -> Vec<T> {
        let found = self.effects.iter().filter_map(&pick).collect();
        self.effects.retain(|effect| pick(effect).is_none());
        found
    }

    pub(crate) fn requests(&mut self) -> Vec<TokenRequest> {
        self.take(|effect| match effect {
            Effect::Request(request) => Some(request.clone()),
            _ => None,
        })
    }

    pub(crate) fn ready(&mut self) -> Vec<(RequestId, AccessToken)> {
        self.take(|effect| match effect {
            Effect::Ready { request, token } => Some((*request, token.clone())),
            _ => None,
        })
    }

    pub(crate) fn refused(&mut self) -> Vec<NoToken> {
        self.take(|effect| match effect {
            Effect::Refused { why, .. } => Some(why.clone()),
            _ => None,
        })
    }

    pub(crate) fn alerts(&mut self) -> Vec<Alert> {
        self.take(|effect| match effect {
            Effect::Alert { why, .. } => Some(why.clone()),
            _ => None,
        })
    }

    /// The one request that is under way.
    pub(crate) fn request(&mut self) -> TokenRequest {
        let [request] = <[_; 1]>::try_from(self.requests()).unwrap();
        request
    }

    pub(crate) fn succeed(&mut self, expires_in: u64) {
        let attempt = self.request().attempt();
        self.answer(attempt, good("acme", expires_in));
    }

    pub(crate) fn answer(&mut self, attempt: u64, answer: Body) {
        self.tell(Input::Obtained { attempt, answer, witness: None });
    }

    pub(crate) fn fail(&mut self, why: Failure) {
        let attempt = self.request().attempt();
        self.tell(Input::Failed { attempt, why, retry_after: None });
    }

    pub(crate) fn now(&self) -> Now {
        self.clock.now()
    }
}
