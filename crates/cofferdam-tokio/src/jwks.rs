//! Key sets over HTTP, within bounds that an issuer's server cannot stretch (SECURITY K10).

use std::time::Duration;

use bytes::Bytes;
use reqwest::{Client, Url};

use crate::http::{self, BodyError, is_allowed};

/// The largest key set that is read, in bytes.
const MAX_BYTES: usize = 50 * 1024;

/// Fetches key sets. The address comes from the issuer's registration, never from a token.
#[derive(Debug, Clone)]
pub struct JwksClient {
    client: Client,
}

/// Why a fetch failed; what the server said is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwksError {
    /// Neither `https` nor `http` to a loopback address.
    #[error("a key set address must be https, or http to this machine")]
    Address,
    /// The TLS settings of this machine cannot be read.
    #[error("no tls on this machine")]
    Tls,
    /// No connection, no answer in time, or the answer broke off.
    #[error("the key set server does not answer")]
    Unreachable,
    /// An answer other than 200; redirects are not followed.
    #[error("the key set server answered with status {0}")]
    Status(u16),
    /// More than 50 KiB.
    #[error("the key set is too large")]
    TooLarge,
}

impl JwksClient {
    /// A client: 500 ms to connect, 2 s in all, no redirects, no proxies, no cookies.
    ///
    /// # Errors
    ///
    /// [`JwksError::Tls`] if this machine has no usable trust store.
    pub fn new() -> Result<Self, JwksError> {
        let client = http::client(Duration::from_millis(500), Duration::from_secs(2))
            .map_err(|_| JwksError::Tls)?;
        Ok(Self { client })
    }

    /// Fetches the key set at `address`.
    ///
    /// # Errors
    ///
    /// [`JwksError`]; the caller keeps the set it has.
    pub async fn fetch(&self, address: &str) -> Result<Bytes, JwksError> {
        let address = Url::parse(address).map_err(|_| JwksError::Address)?;
        if !is_allowed(&address) {
            return Err(JwksError::Address);
        }
        let request = self.client.get(address).send();
        let answer = request.await.map_err(|_| JwksError::Unreachable)?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(JwksError::Status(answer.status().as_u16()));
        }
        match http::body(answer, MAX_BYTES).await {
            Ok(body) => Ok(body.into()),
            Err(BodyError::Broken(_)) => Err(JwksError::Unreachable),
            Err(BodyError::TooLarge) => Err(JwksError::TooLarge),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncReadExt, io::AsyncWriteExt, net::TcpListener};

    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for (address, allowed) in [
            ("https://id.example.com/jwks", true),
            ("http://127.0.0.1:8080/jwks", true),
            ("http://[::1]:8080/jwks", true),
            ("http://localhost/jwks", true),
            ("http://id.example.com/jwks", false),
            ("http://127.0.0.1.example.com/jwks", false),
            ("http://user@127.0.0.1/jwks", false),
            ("file:///etc/passwd", false),
            ("ftp://127.0.0.1/jwks", false),
        ] {
            assert_eq!(Url::parse(address).is_ok_and(|a| is_allowed(&a)), allowed, "{address}");
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

    /// V02: errors, redirects and bodies without end are failures, not key sets.
    #[tokio::test]
    async fn an_answer_that_is_not_a_small_200_is_a_failure() {
        let client = JwksClient::new().unwrap();
        let ok = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_vec();
        assert_eq!(client.fetch(&server(ok).await).await.unwrap(), "{}");
        let moved =
            b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(client.fetch(&server(moved.to_vec()).await).await, Err(JwksError::Status(302)));
        let broken = b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n".to_vec();
        assert_eq!(client.fetch(&server(broken).await).await, Err(JwksError::Status(500)));
        let mut large = b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n".to_vec();
        large.resize(large.len() + 100_000, b' ');
        assert_eq!(client.fetch(&server(large).await).await, Err(JwksError::TooLarge));
        let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{}".to_vec();
        assert_eq!(client.fetch(&server(cut).await).await, Err(JwksError::Unreachable));
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_a_failure() {
        let client = JwksClient::new().unwrap();
        let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let address = format!("http://{unused}/jwks");
        assert_eq!(client.fetch(&address).await, Err(JwksError::Unreachable));
    }
}
