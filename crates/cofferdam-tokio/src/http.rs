//! What the HTTP clients here have in common: TLS or this machine, no redirects, no proxies, and an
//! end to every wait and every body.

use std::time::Duration;

use reqwest::{Client, Response, redirect::Policy};

use crate::egress::{GuardedResolver, Networks};

/// A client with these limits for connecting and for the whole exchange, whose names lead to no
/// address outside of `networks`.
pub(crate) fn client(
    connect: Duration,
    total: Duration,
    networks: Networks,
) -> reqwest::Result<Client> {
    let builder = Client::builder().connect_timeout(connect).timeout(total);
    let builder = builder.dns_resolver(GuardedResolver::new(networks));
    builder.redirect(Policy::none()).no_proxy().build()
}

/// Why a body was not read to its end.
pub(crate) enum BodyError {
    /// It broke off, or took too long.
    Broken(reqwest::Error),
    /// It is longer than allowed.
    TooLarge,
}

/// Reads a body of at most `most` bytes, in one allocation, so that a body that is erased later
/// leaves no copies here.
pub(crate) async fn body(mut answer: Response, most: usize) -> Result<Vec<u8>, BodyError> {
    let mut body = Vec::with_capacity(most);
    while let Some(chunk) = answer.chunk().await.map_err(BodyError::Broken)? {
        if body.len() + chunk.len() > most {
            return Err(BodyError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
