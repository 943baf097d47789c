//! Key sets over HTTP, within bounds that an issuer's server cannot stretch (SECURITY K10).

use std::time::Duration;

use cofferdam_auth::refresh::Answer;
use reqwest::{
    Client, StatusCode, Url,
    header::{CACHE_CONTROL, ETAG, HeaderMap, IF_NONE_MATCH},
};

use crate::{
    egress::{Networks, allows_url},
    http::{self, BodyError},
};

/// The largest key set that is read, in bytes.
const MAX_BYTES: usize = 50 * 1024;
/// The longest `ETag` that is remembered, in bytes.
const MAX_VALIDATOR: usize = 256;

/// Fetches key sets. The address comes from the issuer's registration, never from a token.
#[derive(Debug, Clone)]
pub struct JwksClient {
    client: Client,
    networks: Networks,
}

/// Why a fetch failed; what the server said is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwksError {
    /// Neither `https` nor `http` to this machine, or an address in a network that is not allowed.
    #[error("a key set address must be https in an allowed network, or http to this machine")]
    Address,
    /// The TLS settings of this machine cannot be read.
    #[error("no tls on this machine")]
    Tls,
    /// No connection, no answer in time, or the answer broke off.
    #[error("the key set server does not answer")]
    Unreachable,
    /// An answer other than 200 and 304; redirects are not followed.
    #[error("the key set server answered with status {0}")]
    Status(u16),
    /// More than 50 KiB.
    #[error("the key set is too large")]
    TooLarge,
}

impl JwksClient {
    /// A client: 500 ms to connect, 2 s in all, no redirects, no proxies, no cookies, and no address
    /// outside of `networks`, whatever a name resolves to.
    ///
    /// # Errors
    ///
    /// [`JwksError::Tls`] if this machine has no usable trust store.
    pub fn new(networks: Networks) -> Result<Self, JwksError> {
        let client = http::client(Duration::from_millis(500), Duration::from_secs(2), networks)
            .map_err(|_| JwksError::Tls)?;
        Ok(Self { client, networks })
    }

    /// Whether this client would connect to `address`, as far as its text says.
    ///
    /// # Errors
    ///
    /// [`JwksError::Address`] if not.
    pub fn check(&self, address: &str) -> Result<(), JwksError> {
        self.url(address).map(drop)
    }

    /// Fetches the key set at `address`, unless it is still the one with this validator.
    ///
    /// # Errors
    ///
    /// [`JwksError`]; the caller keeps the set it has.
    pub async fn fetch(&self, address: &str, validator: Option<&str>) -> Result<Answer, JwksError> {
        let mut request = self.client.get(self.url(address)?);
        if let Some(validator) = validator {
            request = request.header(IF_NONE_MATCH, validator);
        }
        let answer = request.send().await.map_err(|_| JwksError::Unreachable)?;
        let max_age = max_age(answer.headers());
        match answer.status() {
            StatusCode::OK => {
                let validator = validator_of(answer.headers());
                match http::body(answer, MAX_BYTES).await {
                    Ok(body) => Ok(Answer::Set { body, validator, max_age }),
                    Err(BodyError::Broken(_)) => Err(JwksError::Unreachable),
                    Err(BodyError::TooLarge) => Err(JwksError::TooLarge),
                }
            }
            StatusCode::NOT_MODIFIED if validator.is_some() => Ok(Answer::NotModified { max_age }),
            other => Err(JwksError::Status(other.as_u16())),
        }
    }

    fn url(&self, address: &str) -> Result<Url, JwksError> {
        let url = Url::parse(address).ok().filter(|url| allows_url(self.networks, url));
        url.ok_or(JwksError::Address)
    }
}

fn validator_of(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(ETAG)?.to_str().ok()?;
    (text.len() <= MAX_VALIDATOR).then(|| text.to_owned())
}

/// RFC 9111 section 5.2: what may not be stored, or not be used without asking, is old at once.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let mut least = None;
    for value in headers.get_all(CACHE_CONTROL) {
        for directive in value.to_str().ok()?.split(',') {
            let directive = directive.trim().to_ascii_lowercase();
            let seconds = match directive.as_str() {
                "no-store" | "no-cache" => Some(0),
                other => other
                    .strip_prefix("max-age=")
                    .and_then(|seconds| seconds.trim_matches('"').parse().ok()),
            };
            let age = seconds.map(Duration::from_secs);
            least = match (least, age) {
                (Some(least), Some(age)) => Some(Duration::min(least, age)),
                (one, other) => one.or(other),
            };
        }
    }
    least
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncReadExt, io::AsyncWriteExt, net::TcpListener};

    use super::*;

    fn headers(cache_control: &[&'static str]) -> HeaderMap {
        let values = cache_control.iter();
        values
            .map(|value| (CACHE_CONTROL, reqwest::header::HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn the_shortest_age_that_an_answer_asks_for_counts() {
        for (values, seconds) in [
            (&[][..], None),
            (&["public"], None),
            (&["max-age=300, stale-if-error=86400"], Some(300)),
            (&["MAX-AGE=60"], Some(60)),
            (&["max-age=\"60\""], Some(60)),
            (&["no-store, max-age=300"], Some(0)),
            (&["max-age=300", "no-cache"], Some(0)),
            (&["max-age=300, max-age=30"], Some(30)),
            (&["max-age=-1"], None),
            (&["max-age=x, max-age=9"], Some(9)),
        ] {
            assert_eq!(max_age(&headers(values)), seconds.map(Duration::from_secs), "{values:?}");
        }
    }

    /// Serves one answer, and says at which address.
    async fn server(answer: Vec<u8>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = socket.read(&mut request).await.unwrap();
            let _ = socket.write_all(&answer).await;
        });
        format!("http://{address}/jwks")
    }

    async fn error(client: &JwksClient, address: &str) -> JwksError {
        client.fetch(address, None).await.unwrap_err()
    }

    #[tokio::test]
    async fn an_unchanged_set_is_not_sent_again() {
        let client = JwksClient::new(Networks::PublicAndThisMachine).unwrap();
        let first = b"HTTP/1.1 200 OK\r\netag: \"7\"\r\ncontent-length: 2\r\n\r\n{}".to_vec();
        let answer = client.fetch(&server(first).await, None).await.unwrap();
        let Answer::Set { validator: Some(validator), .. } = answer else { panic!("{answer:?}") };
        let same = b"HTTP/1.1 304 Same\r\ncache-control: max-age=60\r\n\r\n".to_vec();
        let answer = client.fetch(&server(same.clone()).await, Some(&validator)).await.unwrap();
        let minute = Some(Duration::from_secs(60));
        assert!(matches!(answer, Answer::NotModified { max_age } if max_age == minute));
        // Nothing was asked that this could answer.
        assert_eq!(error(&client, &server(same).await).await, JwksError::Status(304));
    }

    /// V02: errors, redirects and bodies without end are failures, not key sets.
    #[tokio::test]
    async fn an_answer_that_is_not_a_small_200_is_a_failure() {
        let client = JwksClient::new(Networks::PublicAndThisMachine).unwrap();
        let ok = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_vec();
        let answer = client.fetch(&server(ok).await, None).await.unwrap();
        assert!(matches!(answer, Answer::Set { body, .. } if body == b"{}"));
        let moved =
            b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(error(&client, &server(moved.to_vec()).await).await, JwksError::Status(302));
        let broken = b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n".to_vec();
        assert_eq!(error(&client, &server(broken).await).await, JwksError::Status(500));
        let mut large = b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n".to_vec();
        large.resize(large.len() + 100_000, b' ');
        assert_eq!(error(&client, &server(large).await).await, JwksError::TooLarge);
        let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{}".to_vec();
        assert_eq!(error(&client, &server(cut).await).await, JwksError::Unreachable);
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_a_failure() {
        let client = JwksClient::new(Networks::PublicAndThisMachine).unwrap();
        let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let address = format!("http://{unused}/jwks");
        assert_eq!(error(&client, &address).await, JwksError::Unreachable);
    }
}
