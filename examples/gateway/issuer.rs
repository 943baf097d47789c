//! The embedded issuer: one ES256 key per demo tenant, 15-minute tokens, a JWKS endpoint each.
//!
//! It stands in for the identity provider that a real deployment has. The gateway treats it as a
//! stranger: it fetches the key sets over HTTP and believes nothing that does not verify.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use axum::{Router, extract::Path, http::StatusCode, response::IntoResponse, routing::get};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use cofferdam::core::TenantId;
use cofferdam_tokio::Clock;
use serde_json::json;
use tokio::net::TcpListener;

/// What tokens are for.
pub(crate) const AUDIENCE: &str = "cofferdam-gateway";
/// Seconds that a token lives.
const LIFETIME_S: i64 = 900;

/// Mints tokens for every tenant it was started with.
pub(crate) struct Issuer {
    address: SocketAddr,
    clock: Clock,
    tenants: Arc<BTreeMap<TenantId, Signer>>,
}

struct Signer {
    key: EcdsaKeyPair,
    kid: String,
    organisation: String,
}

impl Issuer {
    /// Makes a key for each tenant and serves their key sets on loopback.
    pub(crate) async fn start(
        tenants: &[(TenantId, String)],
        clock: Clock,
    ) -> std::io::Result<Self> {
        let mut signers = BTreeMap::new();
        for (index, (tenant, organisation)) in tenants.iter().enumerate() {
            let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
                .map_err(|_| std::io::Error::other("no key could be generated"))?;
            let kid = format!("demo-{index}");
            let organisation = organisation.clone();
            signers.insert(tenant.clone(), Signer { key, kid, organisation });
        }
        let tenants = Arc::new(signers);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let served = Arc::clone(&tenants);
        let app = Router::new().route(
            "/{tenant}/jwks.json",
            get(move |Path(tenant): Path<String>| {
                let set = served.get(tenant.as_str()).map(Signer::key_set);
                async move { set.ok_or(StatusCode::NOT_FOUND).into_response() }
            }),
        );
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self { address, clock, tenants })
    }

    /// The issuer's name for a tenant: the claim `iss`.
    pub(crate) fn name(tenant: &TenantId) -> String {
        format!("https://issuer.demo.invalid/{tenant}")
    }

    /// Where a tenant's key set is served.
    pub(crate) fn key_set_address(&self, tenant: &TenantId) -> String {
        format!("http://{}/{tenant}/jwks.json", self.address)
    }

    /// A token of `tenant` for `client`, with this scope.
    pub(crate) fn mint(&self, tenant: &TenantId, client: &str, scope: &str) -> Option<String> {
        let signer = self.tenants.get(tenant)?;
        let now = self.clock.now().wall_ms() / 1_000;
        let jti = BASE64.encode(cofferdam_tokio::random_bytes::<16>());
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": signer.kid });
        let claims = json!({
            "iss": Self::name(tenant), "aud": AUDIENCE, "sub": client, "client_id": client,
            "jti": jti, "iat": now, "exp": now + LIFETIME_S, "tenant": tenant.as_str(),
            "org": signer.organisation, "scope": scope,
        });
        let message =
            format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
        let signature = signer.key.sign(&SystemRandom::new(), message.as_bytes()).ok()?;
        Some(format!("{message}.{}", BASE64.encode(signature)))
    }
}

impl Signer {
    /// RFC 7517; the public point is `04 || x || y` (SEC 1, section 2.3.3).
    fn key_set(&self) -> String {
        let point = self.key.public_key().as_ref();
        let (x, y) = point.get(1..65).unwrap_or_default().split_at(point.len().min(33) - 1);
        json!({ "keys": [{
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.kid,
            "x": BASE64.encode(x), "y": BASE64.encode(y),
        }] })
        .to_string()
    }
}
