//! Tokens over HTTP: what goes over the wire, and what its answers do.

use std::sync::{Arc, Mutex};

use cofferdam_auth::source::{
    Assertion, ClientConfig, Clients, Credential, Expected, Failure, NoToken, OAuthError, Secret,
    SourceLimits, TokenForm, Unsound, Witness,
};
use cofferdam_core::TenantId;
use cofferdam_tokio::{Networks, TokenClient};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// A server on loopback that gives these answers, one to a connection, the last one for ever.
struct Server {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            let mut answers = answers.into_iter();
            let mut answer = answers.next().unwrap();
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let request = read_request(&mut socket).await;
                seen.lock().unwrap().push(request);
                let _ = socket.write_all(answer.as_bytes()).await;
                answer = answers.next().unwrap_or(answer);
            }
        });
        Self { address, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// Reads a head, and a body as long as it says.
async fn read_request(socket: &mut TcpStream) -> String {
    let mut request = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let read = socket.read(&mut chunk).await.unwrap();
        assert!(read > 0, "a request that breaks off");
        request.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            return String::from_utf8(request).unwrap();
        }
    }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
    )
}

fn tenant() -> TenantId {
    TenantId::parse("acme").unwrap()
}

fn config(server: &Server, token_form: TokenForm) -> ClientConfig {
    let credential = Credential::Basic(Secret::new("hunter2"));
    ClientConfig {
        scopes: ["notifications".to_owned()].into(),
        ..ClientConfig::new(
            tenant(),
            &format!("{}/oauth/token", server.address),
            "5c1d",
            credential,
            token_form,
        )
    }
}

fn client(config: ClientConfig) -> TokenClient {
    let mut clients = Clients::new([1; 32]);
    clients.register(config).unwrap();
    TokenClient::new(Networks::PublicAndThisMachine, clients, SourceLimits::default(), |_, _| {})
        .unwrap()
}

const TOKEN: &str = r#"{"access_token":"qL8","token_type":"bearer","expires_in":86400}"#;

#[tokio::test]
async fn a_token_is_asked_for_as_the_rfc_has_it() {
    let server = Server::start(vec![answer("200 OK", "", TOKEN)]).await;
    let client = client(config(&server, TokenForm::Opaque(Witness::Nobody)));
    for _ in 0..3 {
        assert_eq!(client.token(&tenant()).await.unwrap().expose(), "qL8");
    }
    let requests = server.requests();
    let [request] = &requests[..] else { panic!("{requests:?}") };
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /oauth/token HTTP/1.1\r\n"));
    let head = head.to_ascii_lowercase();
    assert!(head.contains("\r\ncontent-type: application/x-www-form-urlencoded\r\n"));
    assert!(head.contains("\r\nauthorization: basic nwmxzdpodw50zxiy"));
    assert_eq!(body, "grant_type=client_credentials&scope=notifications");
}

#[tokio::test]
async fn whose_a_token_is_is_asked_before_anybody_gets_it() {
    let own = r#"{"organization":{"id":"org-acme"}}"#;
    for (identity, is_own) in [(own, true), (r#"{"organization":{"id":"org-globex"}}"#, false)] {
        let server =
            Server::start(vec![answer("200 OK", "", TOKEN), answer("200 OK", "", identity)]).await;
        let expected = Expected {
            issuer: Assertion::NotStated,
            audience: Assertion::NotStated,
            tenant: Assertion::at(&["organization", "id"], "org-acme"),
            region: Assertion::NotStated,
            scopes: Vec::new(),
        };
        let endpoint = format!("{}/api/v2/tokens/me", server.address);
        let form = TokenForm::Opaque(Witness::Identity { endpoint, expected });
        let client = client(config(&server, form));
        match client.token(&tenant()).await {
            Ok(token) => assert!(is_own && token.expose() == "qL8"),
            Err(NoToken::Failed { why, .. }) => {
                assert!(!is_own && why == Failure::Unsound(Unsound::Tenant));
            }
            Err(other) => panic!("{other:?}"),
        }
        let requests = server.requests();
        assert!(requests[1].starts_with("GET /api/v2/tokens/me HTTP/1.1\r\n"));
        assert!(requests[1].to_ascii_lowercase().contains("\r\nauthorization: bearer ql8\r\n"));
    }
}

#[tokio::test]
async fn an_answer_that_is_not_a_small_200_is_no_token() {
    let refused = r#"{"error":"invalid_client","error_description":"no"}"#;
    let cases = [
        (answer("401 Unauthorized", "", refused), Failure::Refused(OAuthError::InvalidClient)),
        // A redirect is not followed: the secret would go along.
        (answer("302 Found", "location: http://127.0.0.1:1/\r\n", ""), Failure::Status(302)),
        (answer("404 Not Found", "", TOKEN), Failure::Status(404)),
        (answer("204 No Content", "", ""), Failure::Status(204)),
    ];
    for (text, expected) in cases {
        let server = Server::start(vec![text]).await;
        let client = client(config(&server, TokenForm::Opaque(Witness::Nobody)));
        match client.token(&tenant()).await {
            Err(NoToken::Failed { why, .. }) => assert_eq!(why, expected),
            other => panic!("{other:?}"),
        }
        assert_eq!(server.requests().len(), 1);
    }
}
