//! Two tenants with an issuer each, and what a peer sends.

use std::{collections::VecDeque, io, pin::Pin, sync::Arc, task};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use cofferdam_auth::{IssuerConfig, KeyRing, KeySet, Verifier};
use cofferdam_core::{Authority, TenantId};
use cofferdam_tokio::Clock;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub(crate) const AUDIENCE: &str = "events";
pub(crate) const ORIGIN: &str = "https://app.acme.example";

fn issuer(id: &str) -> String {
    format!("https://id.example.com/{id}")
}

pub(crate) fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

pub(crate) struct World {
    pair: Ed25519KeyPair,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) clock: Clock,
}

impl World {
    pub(crate) fn new() -> Self {
        let clock = Clock::start();
        let pair = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap();
        let x = BASE64.encode(pair.public_key());
        let jwks = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": x}]});
        let keys = KeySet::import(jwks.to_string().as_bytes()).unwrap();
        let mut verifier = Verifier::new(Authority::new([7; 16]));
        // One key for both is enough for what is tested here.
        for id in ["acme", "globex"] {
            let registration = IssuerConfig {
                origins: vec![format!("https://app.{id}.example")],
                ..IssuerConfig::new(&issuer(id), tenant(id), AUDIENCE)
            };
            verifier = verifier.with_issuer(registration).unwrap();
            verifier = verifier.with_keys(&issuer(id), keys.clone(), clock.now()).unwrap();
        }
        Self { pair, keys: Arc::new(KeyRing::new(verifier)), clock }
    }

    fn claims(&self, id: &str) -> Value {
        let now = self.clock.now().wall_ms() / 1_000;
        json!({
            "iss": issuer(id), "aud": AUDIENCE, "sub": "svc", "client_id": "svc", "jti": "1",
            "iat": now, "exp": now + 600, "tenant": id, "scope": "events:read",
            "origins": [format!("https://app.{id}.example")],
        })
    }

    fn mint(&self, claims: &Value) -> String {
        let header = BASE64.encode(r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1"}"#);
        let input = format!("{header}.{}", BASE64.encode(claims.to_string()));
        let signature = BASE64.encode(self.pair.sign(input.as_bytes()));
        format!("{input}.{signature}")
    }

    pub(crate) fn token(&self) -> String {
        self.token_of("acme")
    }

    pub(crate) fn token_of(&self, id: &str) -> String {
        self.mint(&self.claims(id))
    }

    /// A token of acme's that is bound to the key of the thumbprint.
    pub(crate) fn bound_token(&self, thumbprint: &str) -> String {
        let mut claims = self.claims("acme");
        claims["cnf"] = json!({"jkt": thumbprint});
        self.mint(&claims)
    }

    pub(crate) fn token_with(&self, claim: &str, value: &str) -> String {
        let mut claims = self.claims("acme");
        claims[claim] = Value::from(value);
        self.mint(&claims)
    }
}

/// The head of a WebSocket's request, with more headers.
pub(crate) fn head(target: &str, headers: &[(&str, &str)]) -> String {
    let mut head = format!("GET {target} HTTP/1.1\r\nHost: events.example.com\r\n");
    let fixed = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    for (name, value) in fixed.iter().chain(headers) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    head
}

/// A frame as a client sends it: masked (with zeros), of this first byte.
pub(crate) fn frame(first: u8, payload: &str) -> Vec<u8> {
    let mut frame = vec![first, 0x80 | payload.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(payload.as_bytes());
    frame
}

/// The first byte of a text frame, and the bit that marks it as compressed.
pub(crate) const TEXT: u8 = 0x81;
pub(crate) const COMPRESSED: u8 = 0x40;

/// A peer whose every piece arrives in a read of its own, and who then is silent.
pub(crate) struct Pieces {
    pub(crate) unread: VecDeque<Vec<u8>>,
    pub(crate) answer: Vec<u8>,
    pub(crate) is_shut: bool,
}

impl Pieces {
    pub(crate) fn new<P: Into<Vec<u8>>>(pieces: impl IntoIterator<Item = P>) -> Self {
        let unread = pieces.into_iter().map(Into::into).collect();
        Self { unread, answer: Vec::new(), is_shut: false }
    }
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut task::Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> task::Poll<io::Result<()>> {
        let Some(mut piece) = self.unread.pop_front() else { return task::Poll::Pending };
        let fits = piece.len().min(buffer.remaining());
        buffer.put_slice(&piece[..fits]);
        if fits < piece.len() {
            self.unread.push_front(piece.split_off(fits));
        }
        task::Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut task::Context<'_>,
        bytes: &[u8],
    ) -> task::Poll<io::Result<usize>> {
        self.answer.extend_from_slice(bytes);
        task::Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> task::Poll<io::Result<()>> {
        task::Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        _: &mut task::Context<'_>,
    ) -> task::Poll<io::Result<()>> {
        self.is_shut = true;
        task::Poll::Ready(Ok(()))
    }
}
