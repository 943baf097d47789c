//! What a token check costs beside the bare signature, and beside other libraries.
//!
//! ```text
//! cargo run --release -p cofferdam-benches --bin auth_checks -- [--seconds N]
//! ```
//!
//! Every contender takes its turn of a tenth of a second, again and again, and each figure is the
//! median of its turns: a machine that is slow for a while is slow for all. The tokens are 64
//! different ones. "Bare" is `aws-lc-rs` with a parsed key over the signing input, the signature
//! decoded beforehand: what no check on this backend can be faster than.
#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a program that measures and prints"
)]

use std::{
    hint::black_box,
    process::ExitCode,
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use cofferdam::{
    auth::{Algorithm, Route, TokenCache, Verifier},
    core::{ConnectionId, Epoch, Now},
};
use cofferdam_benches::{
    SetupError,
    tokens::{AUDIENCE, Mint, issuer},
};
use jsonwebtoken as jwt;

const TENANT: &str = "acme";
/// What the bar allows a full check of RS256, as a multiple of the bare signature.
const RS256_BAR: f64 = 1.25;
const TURN: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("auth_checks: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), SetupError> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let seconds: u32 = match args.as_slice() {
        [] => 12,
        [name, seconds] if name == "--seconds" => seconds.parse()?,
        _ => return Err("usage: auth_checks [--seconds N]".into()),
    };
    // Other libraries read the real clock.
    let wall = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH)?;
    let now = Now::from_millis(1_000, i64::try_from(wall.as_millis())?);
    let mint = Mint::new(now)?;
    let plain = mint.verifier(&[TENANT], now)?;
    let cached = plain.clone().with_cache(TokenCache::new(&[9; 32], 4_096));
    println!("| algorithm | bare signature | full check | ratio | jsonwebtoken 11 | remembered |");
    println!("|---|---:|---:|---:|---:|---:|");
    let mut verdicts = Vec::new();
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
        let tokens = (0..64).map(|i| mint.token(algorithm, TENANT, i));
        let tokens = tokens.collect::<Result<Vec<_>, _>>()?;
        let bare = bare(&mint, algorithm, &tokens)?;
        let peer = peer(&mint, algorithm, &tokens)?;
        let mut contenders: [Box<dyn FnMut(usize) -> bool + '_>; 4] = [
            Box::new(bare),
            Box::new(|i| check(&plain, &tokens[i], now)),
            Box::new(peer),
            Box::new(|i| check(&cached, &tokens[i], now)),
        ];
        let [bare, full, peer, hit] =
            medians(&mut contenders, tokens.len(), Duration::from_secs(seconds.into()) / 3)?;
        let ratio = full / bare;
        println!(
            "| {} | {bare:.2} us | {full:.2} us | {ratio:.2} | {peer:.2} us | {hit:.2} us |",
            algorithm.name(),
        );
        if algorithm == Algorithm::Rs256 {
            verdicts.push((
                ratio <= RS256_BAR,
                format!("RS256 within {RS256_BAR} of bare: {ratio:.2}"),
            ));
        }
        verdicts.push((
            hit < 1.0,
            format!("a remembered {} under 1 us: {hit:.2} us", algorithm.name()),
        ));
    }
    println!();
    for (reached, what) in verdicts {
        println!("- {}: {what}", if reached { "reached" } else { "**missed**" });
    }
    Ok(())
}

fn check(verifier: &Verifier, token: &str, now: Now) -> bool {
    let route = Route::any().needs_scopes(&["events:read"]);
    verifier.verify(token, &route, now, ConnectionId(1), Epoch(1)).is_ok()
}

/// The signature alone.
fn bare(
    mint: &Mint,
    algorithm: Algorithm,
    tokens: &[String],
) -> Result<impl FnMut(usize) -> bool + use<>, SetupError> {
    let key = mint.public_key(algorithm)?;
    let mut pairs = Vec::new();
    for token in tokens {
        let (input, signature) = token.rsplit_once('.').ok_or("no token")?;
        pairs.push((input.as_bytes().to_vec(), BASE64.decode(signature)?));
    }
    Ok(move |i: usize| key.verify_sig(&pairs[i].0, &pairs[i].1).is_ok())
}

/// `jsonwebtoken` with every knob that it has for these tokens.
fn peer(
    mint: &Mint,
    algorithm: Algorithm,
    tokens: &[String],
) -> Result<impl FnMut(usize) -> bool + use<>, SetupError> {
    let set: jwt::jwk::JwkSet = serde_json::from_str(&mint.jwks())?;
    let jwk = set.find(algorithm.name()).ok_or("no such key")?;
    let key = jwt::DecodingKey::from_jwk(jwk)?;
    let name = match algorithm {
        Algorithm::Rs256 => jwt::Algorithm::RS256,
        Algorithm::Es256 => jwt::Algorithm::ES256,
        _ => jwt::Algorithm::EdDSA,
    };
    let mut rules = jwt::Validation::new(name);
    rules.set_issuer(&[issuer(TENANT)]);
    rules.set_audience(&[AUDIENCE]);
    rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    rules.validate_nbf = true;
    let tokens = tokens.to_vec();
    Ok(move |i: usize| jwt::decode::<serde_json::Value>(&tokens[i], &key, &rules).is_ok())
}

/// Microseconds of each contender, the median of its turns.
fn medians<const N: usize>(
    contenders: &mut [Box<dyn FnMut(usize) -> bool + '_>; N],
    tokens: usize,
    lasting: Duration,
) -> Result<[f64; N], SetupError> {
    let mut turns = [const { Vec::new() }; N];
    let rounds = (lasting.as_secs_f64() / (TURN.as_secs_f64() * N as f64)).ceil() as usize;
    // The first round warms up.
    for round in 0..=rounds.max(3) {
        for (contender, turns) in contenders.iter_mut().zip(&mut turns) {
            let began = Instant::now();
            let mut done = 0u32;
            while began.elapsed() < TURN {
                for i in 0..tokens {
                    if !black_box(contender(black_box(i))) {
                        return Err("a good token was refused".into());
                    }
                }
                done += tokens as u32;
            }
            if round > 0 {
                turns.push(began.elapsed().as_secs_f64() * 1e6 / f64::from(done));
            }
        }
    }
    Ok(turns.map(|mut turns| {
        turns.sort_by(f64::total_cmp);
        turns[turns.len() / 2]
    }))
}
