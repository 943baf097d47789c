//! Whether the time of a refusal tells a tenant that exists from one that does not (SECURITY X01).
//!
//! ```text
//! cargo run --release -p cofferdam-benches --bin side_channel -- [--samples N] [--seed N]
//! ```
//!
//! For each place where a request can name a tenant, requests that name an existing one and requests
//! that name none are checked in a random order, each on its own clock reading, and the two groups
//! of times are compared by Welch's t-test, as `dudect` does (Reparaz, Balasch, Verbauwhede, 2017).
//! Below 4.5 the groups cannot be told apart with this many samples. The slowest hundredth is left
//! out of both by one common bound: it is the machine's, and hides what is ours. The table is
//! Markdown; what the peer sees of it is behind a network, whose jitter is a thousand times larger.
//!
//! Every request of a group has another token, since a signature check takes a time that depends on
//! the token's bytes, which are public; one token for each group would compare those. The control
//! row compares two groups that are alike: what it shows is the method's own error.
#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a program that measures and prints"
)]

use std::{hint::black_box, process::ExitCode, time::Instant};

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeySize, PublicKeyComponents},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
        RsaKeyPair,
    },
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use cofferdam::{
    auth::{
        IssuerConfig, KeySet, Route, Verifier,
        upgrade::{self, Policy, Rules, TenantIn},
    },
    core::{Authority, ConnectionId, Epoch, Now, TenantId},
};
use cofferdam_benches::SetupError;
use fastrand::Rng;
use http::{Request, request::Parts};
use serde_json::{Value, json};

const NOW_S: i64 = 1_700_000_000;
/// Requests in a group. Random choices among these are the measurement's samples.
const POOL: usize = 256;
const BAR: f64 = 4.5;
/// The tenant that asks, one that exists beside it, and one that does not. The names are of one
/// length: what is compared is existence, not the time to copy a name.
const OWN: &str = "acme-co";
const KNOWN: &str = "globex1";
const UNKNOWN: &str = "initech";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("side_channel: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), SetupError> {
    let (samples, seed) = arguments()?;
    let world = World::new()?;
    let mut rng = Rng::with_seed(seed);
    println!("{samples} samples a row, seed {seed}\n");
    println!(
        "| the tenant is named by | exists | does not | difference | Welch's t | below {BAR} |"
    );
    println!("|---|---:|---:|---:|---:|---|");
    for case in world.cases()? {
        // Caches and branch predictors first.
        case.measure(&world, samples / 10, &mut rng);
        let [known, unknown] = case.measure(&world, samples, &mut rng).map(Group::of);
        let t = known.welch(&unknown);
        let verdict = if t.abs() < BAR { "yes" } else { "**no**" };
        println!(
            "| {} | {:.0} ns | {:.0} ns | {:+.1} ns | {t:.2} | {verdict} |",
            case.name,
            known.mean,
            unknown.mean,
            known.mean - unknown.mean,
        );
    }
    Ok(())
}

fn arguments() -> Result<(usize, u64), SetupError> {
    let (mut samples, mut seed) = (200_000, 1);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or("usage: [--samples N] [--seed N]")?;
        match name.as_str() {
            "--samples" => samples = value.parse()?,
            "--seed" => seed = value.parse()?,
            _ => return Err(format!("no option {name}").into()),
        }
    }
    Ok((samples, seed))
}

/// One place where a tenant is named: requests that name one that exists, and one that does not.
struct Case {
    name: &'static str,
    policy: Policy,
    groups: [Vec<Parts>; 2],
}

impl Case {
    fn measure(&self, world: &World, samples: usize, rng: &mut Rng) -> [Vec<f64>; 2] {
        let mut times = [Vec::with_capacity(samples), Vec::with_capacity(samples)];
        for _ in 0..samples {
            let which = rng.usize(..2);
            let request = &self.groups[which][rng.usize(..POOL)];
            let started = Instant::now();
            let refused = world.check(&self.policy, black_box(request));
            let took = started.elapsed();
            black_box(refused);
            times[which].push(took.as_nanos() as f64);
        }
        let mut all: Vec<f64> = times.iter().flatten().copied().collect();
        all.sort_by(f64::total_cmp);
        let bound = all.get(all.len() * 99 / 100).copied().unwrap_or(f64::MAX);
        for times in &mut times {
            times.retain(|time| *time <= bound);
        }
        times
    }
}

struct Group {
    count: f64,
    mean: f64,
    variance: f64,
}

impl Group {
    fn of(times: Vec<f64>) -> Self {
        let count = times.len() as f64;
        let mean = times.iter().sum::<f64>() / count;
        let squares = times.iter().map(|time| (time - mean).powi(2)).sum::<f64>();
        Self { count, mean, variance: squares / (count - 1.0) }
    }

    fn welch(&self, other: &Self) -> f64 {
        let error = self.variance / self.count + other.variance / other.count;
        (self.mean - other.mean) / error.sqrt()
    }
}

struct World {
    verifier: Verifier,
    /// Signs what the asking tenant's issuer would.
    own: Ed25519KeyPair,
    /// Nobody's keys, for forgeries that cost a whole signature check.
    forger: Forger,
}

struct Forger {
    random: SystemRandom,
    ed25519: Ed25519KeyPair,
    p256: EcdsaKeyPair,
    rsa: RsaKeyPair,
}

#[derive(Clone, Copy)]
enum Kind {
    Ed25519,
    P256,
    Rsa,
    /// A number that is above every modulus but the largest, which a key refuses unseen.
    RsaTooLarge,
}

fn issuer(id: &str) -> String {
    format!("https://id.example.com/{id}")
}

impl World {
    fn new() -> Result<Self, SetupError> {
        let own = Ed25519KeyPair::generate()?;
        let mut verifier = Verifier::new(Authority::new([9; 16]));
        let known = [
            ed25519_jwk(&Ed25519KeyPair::generate()?, "ed25519"),
            p256_jwk(&EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?),
            rsa_jwk(&RsaKeyPair::generate(KeySize::Rsa2048)?),
        ];
        for (id, keys) in [(OWN, vec![ed25519_jwk(&own, "ed25519")]), (KNOWN, known.to_vec())] {
            let registration = IssuerConfig::new(&issuer(id), TenantId::parse(id)?, "events");
            let keys = KeySet::import(json!({ "keys": keys }).to_string().as_bytes())?;
            verifier = verifier.with_issuer(registration)?.with_keys(&issuer(id), keys, now())?;
        }
        let forger = Forger {
            random: SystemRandom::new(),
            ed25519: Ed25519KeyPair::generate()?,
            p256: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?,
            rsa: RsaKeyPair::generate(KeySize::Rsa2048)?,
        };
        Ok(Self { verifier, own, forger })
    }

    /// What a refused request costs, the answer included.
    fn check(&self, policy: &Policy, request: &Parts) -> u16 {
        let (route, connection) = (Route::any(), ConnectionId(1));
        match policy.check(&self.verifier, request, &route, now(), connection, Epoch(1)) {
            Ok(_) => 101,
            Err(failure) => upgrade::refuse(&failure).status().as_u16(),
        }
    }

    fn cases(&self) -> Result<Vec<Case>, SetupError> {
        let mut cases = Vec::new();
        for (name, kind) in [
            ("a forged token's issuer, Ed25519", Kind::Ed25519),
            ("a forged token's issuer, ES256", Kind::P256),
            ("a forged token's issuer, RS256", Kind::Rsa),
            ("the same, with a number over the modulus", Kind::RsaTooLarge),
        ] {
            let forged = |id: &str, at| {
                request("events.example.com", "/stream", &self.forger.token(kind, id, at)?)
            };
            let groups = groups([KNOWN, UNKNOWN], forged)?;
            cases.push(self.case(name, Rules::default(), groups, 401)?);
        }
        let in_path = |id: &str, at| {
            let path = format!("/tenants/{id}/stream");
            request("events.example.com", &path, &self.own_token(at))
        };
        let rules =
            || Rules { tenant: TenantIn::PathAfter("/tenants/".to_owned()), ..Rules::default() };
        for (name, ids) in [
            ("the path, with a valid token", [KNOWN, UNKNOWN]),
            ("nothing: twice the same path, as a control", [UNKNOWN, UNKNOWN]),
        ] {
            cases.push(self.case(name, rules(), groups(ids, in_path)?, 403)?);
        }
        let in_host =
            |id: &str, at| request(&format!("{id}.example.com"), "/stream", &self.own_token(at));
        let rules =
            Rules { tenant: TenantIn::HostBefore("example.com".into()), ..Rules::default() };
        let groups = groups([KNOWN, UNKNOWN], in_host)?;
        cases.push(self.case("the host, with a valid token", rules, groups, 403)?);
        Ok(cases)
    }

    /// A case whose every request is refused as it should be, so that it measures what it says.
    fn case(
        &self,
        name: &'static str,
        rules: Rules,
        groups: [Vec<Parts>; 2],
        status: u16,
    ) -> Result<Case, SetupError> {
        let policy = Policy::new(rules)?;
        let as_expected = |request| self.check(&policy, request) == status;
        if !groups.iter().flatten().all(as_expected) {
            return Err(format!("{name}: not refused with {status}").into());
        }
        Ok(Case { name, policy, groups })
    }

    fn own_token(&self, at: usize) -> String {
        let input = unsigned("EdDSA", "ed25519", OWN, at);
        let signature = BASE64.encode(self.own.sign(input.as_bytes()));
        format!("{input}.{signature}")
    }
}

impl Forger {
    fn token(&self, kind: Kind, id: &str, at: usize) -> Result<String, SetupError> {
        let (algorithm, key_id) = match kind {
            Kind::Ed25519 => ("EdDSA", "ed25519"),
            Kind::P256 => ("ES256", "p256"),
            Kind::Rsa | Kind::RsaTooLarge => ("RS256", "rsa"),
        };
        let input = unsigned(algorithm, key_id, id, at);
        let bytes = input.as_bytes();
        let signature = match kind {
            Kind::Ed25519 => self.ed25519.sign(bytes).as_ref().to_vec(),
            Kind::P256 => self.p256.sign(&self.random, bytes)?.as_ref().to_vec(),
            Kind::Rsa => {
                let mut signature = vec![0; self.rsa.public_modulus_len()];
                self.rsa.sign(&RSA_PKCS1_SHA256, &self.random, bytes, &mut signature)?;
                signature
            }
            Kind::RsaTooLarge => {
                let mut signature = vec![0xff; 256];
                signature[254..].copy_from_slice(&(at as u16).to_be_bytes());
                signature
            }
        };
        Ok(format!("{input}.{}", BASE64.encode(signature)))
    }
}

fn now() -> Now {
    Now::from_millis(1_000, NOW_S * 1_000)
}

/// Both groups, made in turns, so that they lie in memory alike.
fn groups(
    ids: [&str; 2],
    make: impl Fn(&str, usize) -> Result<Parts, SetupError>,
) -> Result<[Vec<Parts>; 2], SetupError> {
    let mut groups = [Vec::with_capacity(POOL), Vec::with_capacity(POOL)];
    for at in 0..POOL {
        for (group, id) in groups.iter_mut().zip(ids) {
            group.push(make(id, at)?);
        }
    }
    Ok(groups)
}

fn request(host: &str, uri: &str, token: &str) -> Result<Parts, SetupError> {
    let request = Request::get(uri)
        .header("host", host)
        .header("upgrade", "websocket")
        .header("authorization", format!("Bearer {token}"));
    Ok(request.body(())?.into_parts().0)
}

fn unsigned(algorithm: &str, key_id: &str, id: &str, at: usize) -> String {
    let header = json!({"alg": algorithm, "typ": "at+jwt", "kid": key_id});
    let claims = json!({
        "iss": issuer(id), "aud": "events", "sub": "svc", "client_id": "svc",
        "jti": format!("{at:04}"), "iat": NOW_S, "exp": NOW_S + 600, "tenant": id,
    });
    format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()))
}

fn ed25519_jwk(pair: &Ed25519KeyPair, key_id: &str) -> Value {
    let x = BASE64.encode(pair.public_key());
    json!({"kty": "OKP", "crv": "Ed25519", "kid": key_id, "x": x})
}

fn p256_jwk(pair: &EcdsaKeyPair) -> Value {
    let point = pair.public_key().as_ref();
    let (x, y) = (BASE64.encode(&point[1..33]), BASE64.encode(&point[33..]));
    json!({"kty": "EC", "crv": "P-256", "kid": "p256", "x": x, "y": y})
}

fn rsa_jwk(pair: &RsaKeyPair) -> Value {
    let public: PublicKeyComponents<Vec<u8>> = pair.public_key().into();
    json!({"kty": "RSA", "kid": "rsa", "n": BASE64.encode(public.n), "e": BASE64.encode(public.e)})
}
