//! Requests to token endpoints over HTTP.

use std::time::Duration;

use cofferdam_auth::source::{Body, Failure, HttpRequest, Unsound};
use futures_util::future::BoxFuture;
use reqwest::{
    Client, Response, Url,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER},
};

use crate::{
    egress::{Networks, allows_url},
    http::{self, BodyError},
};

/// The largest answer that is read, in bytes.
const MAX_BYTES: usize = 16 * 1024;
const CONNECT: Duration = Duration::from_secs(1);
/// For one exchange; two of them (token, witness) fit into the machine's longest flight.
const TOTAL: Duration = Duration::from_millis(3_500);

/// This machine has no usable trust store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no tls on this machine")]
pub struct NoTls(());

/// An answer with status 200, or why there is none.
pub(crate) type Outcome = Result<Body, Refusal>;

/// Why there is no answer, and when the server wants to be asked again.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) why: Failure,
    pub(crate) retry_after: Option<Duration>,
}

impl From<Failure> for Refusal {
    fn from(why: Failure) -> Self {
        Self { why, retry_after: None }
    }
}

/// Sends requests. A trait so that a test can be a server without a network.
pub(crate) trait Exchange: Send + Sync + 'static {
    fn send<'a>(&'a self, request: &'a HttpRequest) -> BoxFuture<'a, Outcome>;
}

/// Sends requests by HTTPS. What the HTTP library copies of a secret is not erased.
pub(crate) struct Https {
    client: Client,
    networks: Networks,
}

impl Https {
    pub(crate) fn new(networks: Networks) -> Result<Self, NoTls> {
        let client = http::client(CONNECT, TOTAL, networks).map_err(|_| NoTls(()))?;
        Ok(Self { client, networks })
    }

    async fn exchange(&self, request: &HttpRequest) -> Outcome {
        let is_allowed = |address: &Url| allows_url(self.networks, address);
        let address = Url::parse(request.endpoint()).ok().filter(is_allowed);
        // The registration has checked it by a reader of its own; two that differ send nothing.
        let address = address.ok_or(Failure::Unreachable)?;
        let sending = match request.form() {
            Some(form) => self.client.post(address).body(form.to_owned()),
            None => self.client.get(address),
        };
        let headers = headers(request).ok_or(Failure::Signing)?;
        let answer = sending.headers(headers).send().await.map_err(failure)?;
        let (status, retry_after) = (answer.status(), retry_after(&answer));
        let body = http::body(answer, MAX_BYTES).await;
        if status == reqwest::StatusCode::OK {
            return match body {
                Ok(body) => Ok(Body::new(body)),
                Err(BodyError::Broken(error)) => Err(failure(error).into()),
                Err(BodyError::TooLarge) => Err(Failure::Unsound(Unsound::TooLarge).into()),
            };
        }
        let why = Failure::of_status(status.as_u16(), &body.unwrap_or_default());
        Err(Refusal { why, retry_after })
    }
}

impl Exchange for Https {
    fn send<'a>(&'a self, request: &'a HttpRequest) -> BoxFuture<'a, Outcome> {
        Box::pin(self.exchange(request))
    }
}

fn headers(request: &HttpRequest) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    if request.form().is_some() {
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, form);
    }
    if let Some(value) = request.authorization() {
        let mut value = HeaderValue::from_str(value).ok()?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Some(headers)
}

fn failure(error: reqwest::Error) -> Failure {
    if error.is_timeout() { Failure::TimedOut } else { Failure::Unreachable }
}

/// In seconds (RFC 9110 section 10.2.3). A date is not read: it would need the server's clock to be
/// ours, and our own backoff is there.
fn retry_after(answer: &Response) -> Option<Duration> {
    let value = answer.headers().get(RETRY_AFTER)?.to_str().ok()?;
    let digits = (1..=9).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| value.parse().ok().map(Duration::from_secs)).flatten()
}

#[cfg(test)]
mod tests {
    use cofferdam_auth::source::{
        ClientConfig, Clients, Credential, Effect, Input, RequestId, Secret, SourceLimits,
        TokenForm, TokenSource, Witness,
    };
    use cofferdam_core::{Machine, Now, TenantId};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// A request to this address, as a source makes it.
    fn request(endpoint: &str) -> HttpRequest {
        let config = ClientConfig::new(
            TenantId::parse("acme").unwrap(),
            endpoint,
            "client",
            Credential::Basic(Secret::new("hunter2")),
            TokenForm::Opaque(Witness::Nobody),
        );
        let client = Clients::new([1; 32]).register(config).unwrap();
        let mut source = TokenSource::new(client, SourceLimits::default(), [1; 32]);
        let (now, mut effects) = (Now::default(), Vec::new());
        source.handle_input(Input::Wanted { request: RequestId(1) }, now, &mut effects);
        let Some(Effect::Request(request)) = effects.pop() else { panic!("no request") };
        request.http(now).unwrap()
    }

    /// What the client makes of this answer.
    async fn outcome(answer: String) -> Outcome {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/token", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = socket.read(&mut request).await.unwrap();
            let _ = socket.write_all(answer.as_bytes()).await;
        });
        Https::new(Networks::PublicAndThisMachine).unwrap().exchange(&request(&address)).await
    }

    fn answer(status: &str, headers: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len())
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit() {
        for (size, is_read) in [(2, true), (MAX_BYTES, true), (MAX_BYTES + 1, false)] {
            match outcome(answer("200 OK", "", &" ".repeat(size))).await {
                Ok(body) => assert!(is_read && body.bytes().len() == size),
                Err(refusal) => {
                    assert!(!is_read);
                    assert_eq!(refusal, Failure::Unsound(Unsound::TooLarge).into());
                }
            }
        }
        let cut = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{}".to_owned();
        assert_eq!(outcome(cut).await.unwrap_err(), Failure::Unreachable.into());
    }

    #[tokio::test]
    async fn retry_after_is_read_in_seconds_and_nothing_else() {
        for (value, seconds) in [
            ("60", Some(60)),
            ("0", Some(0)),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("9999999999", None),
            ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ] {
            let headers = format!("retry-after: {value}\r\n");
            let refusal = outcome(answer("429 Too Many", &headers, "")).await.unwrap_err();
            let retry_after = seconds.map(Duration::from_secs);
            assert_eq!(refusal, Refusal { why: Failure::Throttled, retry_after }, "{value}");
        }
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_unreachable() {
        let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let request = request(&format!("http://{unused}/token"));
        let refusal = Https::new(Networks::PublicAndThisMachine)
            .unwrap()
            .exchange(&request)
            .await
            .unwrap_err();
        assert_eq!(refusal, Failure::Unreachable.into());
    }
}
