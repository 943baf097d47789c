//! What the HTTP clients here have in common: TLS or this machine, no redirects, no proxies, and an
//! end to every wait and every body.

use std::{net::IpAddr, time::Duration};

use reqwest::{Client, Response, Url, redirect::Policy};

/// A client with these limits for connecting and for the whole exchange.
pub(crate) fn client(connect: Duration, total: Duration) -> reqwest::Result<Client> {
    let builder = Client::builder().connect_timeout(connect).timeout(total);
    builder.redirect(Policy::none()).no_proxy().build()
}

/// `https`, or `http` to this machine; never with a user.
pub(crate) fn is_allowed(address: &Url) -> bool {
    let loopback = match address.host_str() {
        Some("localhost") => true,
        Some(host) => {
            let host = host.trim_matches(['[', ']']).parse::<IpAddr>();
            host.is_ok_and(|address| address.is_loopback())
        }
        None => false,
    };
    let no_user = address.username().is_empty() && address.password().is_none();
    no_user && (address.scheme() == "https" || (address.scheme() == "http" && loopback))
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
