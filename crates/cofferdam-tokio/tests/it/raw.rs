//! Rows U04, U08, U09 and N06: byte by byte, what a peer may send before it was let in.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use cofferdam_auth::{
    Route,
    upgrade::{Policy, Rules},
};
use cofferdam_core::{ConnectionId, Epoch, Reason, Scoped};
use cofferdam_tokio::{
    UpgradeError,
    upgrade::{Acceptor, Limits},
};
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio_tungstenite::tungstenite::{Error, error::ProtocolError};

use super::world::{COMPRESSED, ORIGIN, Pieces, TEXT, World, frame, head, tenant};

/// An acceptor, and how often it looked at a request.
fn acceptor(world: &World) -> (Acceptor, Arc<AtomicUsize>) {
    let looked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&looked);
    let rules = Rules {
        protocols: vec![String::from("events.v1")],
        token_in_protocol: true,
        ..Rules::default()
    };
    let acceptor = Acceptor::new(
        Arc::clone(&world.keys),
        Policy::new(rules).unwrap(),
        Route::any().needs_scopes(&["events:read"]),
        Limits::default(),
        world.clock,
        move || (ConnectionId(count.fetch_add(1, Relaxed) as u64), Epoch(1)),
    );
    (acceptor, looked)
}

fn reason<T>(outcome: Result<T, UpgradeError>) -> Reason {
    match outcome {
        Err(UpgradeError::Denied(failure)) => failure.reason(),
        Err(other) => panic!("not denied: {other}"),
        Ok(_) => panic!("let in"),
    }
}

/// What a peer hears that sends these bytes, as text; its socket is closed at the end.
async fn told(acceptor: &Acceptor, bytes: &[u8]) -> (Reason, String) {
    let (mut peer, ours) = duplex(64 << 10);
    peer.write_all(bytes).await.unwrap();
    let reason = reason(acceptor.accept(ours).await);
    let mut answer = String::new();
    peer.read_to_string(&mut answer).await.unwrap();
    (reason, answer)
}

/// One 400 that says that the connection ends, and nothing after it.
fn assert_is_the_one_refusal(answer: &str, case: &str) {
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{case}: {answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{case}: {answer}");
    assert!(answer.ends_with(r#"{"type":"about:blank","title":"Denied"}"#), "{case}: {answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{case}: {answer}");
}

/// U04: two lengths, two ends of a line, a folded line: whatever a second parser could read
/// otherwise is refused, the connection ends, and a request behind it is never looked at.
#[tokio::test]
async fn a_smuggled_request_is_never_parsed() {
    let world = World::new();
    let bearer = format!("Bearer {}", world.token());
    let with = |headers: &[(&str, &str)]| {
        let headers: Vec<_> =
            [("Authorization", bearer.as_str())].iter().chain(headers).copied().collect();
        head("/stream", &headers)
    };
    let sound = with(&[]);
    let spelt = |from: &str, to: &str| {
        assert!(sound.contains(from));
        sound.replacen(from, to, 1)
    };
    let heads = [
        ("CL.TE", with(&[("Content-Length", "6"), ("Transfer-Encoding", "chunked")])),
        ("TE.CL", with(&[("Transfer-Encoding", "chunked"), ("Content-Length", "4")])),
        ("TE.TE", with(&[("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "identity")])),
        ("an odd TE", with(&[("Transfer-Encoding", "\x0bchunked")])),
        ("CL.CL", with(&[("Content-Length", "0"), ("Content-Length", "30")])),
        ("CL.0", with(&[("Content-Length", "30")])),
        ("a list of lengths", with(&[("Content-Length", "0, 0")])),
        ("a signed length", with(&[("Content-Length", "+0")])),
        ("bare LF", spelt("\r\nHost", "\nHost")),
        ("bare LF at the end", format!("{}\n\n", sound.trim_end())),
        ("bare CR", spelt("websocket\r\n", "websocket\rX: y\r\n")),
        ("CR CR LF", spelt("websocket\r\n", "websocket\r\r\n")),
        ("obs-fold", spelt("Upgrade: websocket", "Upgrade:\r\n websocket")),
        ("a tab for a fold", spelt("Host:", "X: y\r\n\tz\r\nHost:")),
        ("a space before the colon", spelt("Host:", "Host :")),
        ("a space before the name", spelt("Host:", " Host:")),
        ("a name without a colon", spelt("Host:", "X\r\nHost:")),
        ("NUL in a value", spelt("events.example.com", "events.example\0.com")),
        ("two spaces", spelt("GET ", "GET  ")),
        ("an empty line before", format!("\r\n{sound}")),
        ("HTTP/1.0", spelt("HTTP/1.1", "HTTP/1.0")),
        ("h2c", spelt("Upgrade: websocket", "Upgrade: h2c")),
        ("two hosts", with(&[("Host", "globex.example.com")])),
        ("a fragment", spelt("/stream", "/stream#/../x")),
    ];
    let second = format!("0\r\n\r\n{}", head("/second", &[("Authorization", &bearer)]));
    let (acceptor, looked) = acceptor(&world);
    for (case, head) in heads {
        for behind in ["", &second] {
            let before = looked.load(Relaxed);
            let (reason, answer) = told(&acceptor, format!("{head}{behind}").as_bytes()).await;
            assert_eq!(reason, Reason::RequestMalformed, "{case}");
            assert_is_the_one_refusal(&answer, case);
            assert!(looked.load(Relaxed) <= before + 1, "{case}");
        }
    }
    // The head alone is sound, so it was for these reasons that the others were refused.
    let before = looked.load(Relaxed);
    let (_peer, ours) = {
        let (mut peer, ours) = duplex(64 << 10);
        peer.write_all(sound.as_bytes()).await.unwrap();
        (peer, ours)
    };
    assert!(acceptor.accept(ours).await.is_ok());
    // A second request behind a sound one is none, and takes the first along.
    let (_, answer) = told(&acceptor, format!("{sound}{sound}").as_bytes()).await;
    assert_is_the_one_refusal(&answer, "pipelined");
    assert_eq!(looked.load(Relaxed), before + 1);
}

#[tokio::test]
async fn a_head_may_arrive_in_any_pieces() {
    let world = World::new();
    let (acceptor, _) = acceptor(&world);
    let bearer = format!("Bearer {}", world.token());
    let head = head("/stream", &[("Authorization", &bearer)]);
    for size in [1, 2, 3, 5, 64, head.len() - 1] {
        let pieces = Pieces::new(head.as_bytes().chunks(size));
        let (socket, upgrade) = acceptor.accept(pieces).await.unwrap();
        assert_eq!(upgrade.context.tenant(), &tenant("acme"));
        assert!(socket.get_ref().answer.starts_with(b"HTTP/1.1 101 "), "{size}");
    }
}

/// N06: a head has an end, or is refused.
#[tokio::test]
async fn a_head_over_the_limit_is_refused() {
    let world = World::new();
    let (acceptor, looked) = acceptor(&world);
    let bearer = format!("Bearer {}", world.token());
    let padded = |padding: usize| {
        head("/stream", &[("X-Padding", &"a".repeat(padding)), ("Authorization", &bearer)])
    };
    let (_peer, ours) = {
        let (mut peer, ours) = duplex(64 << 10);
        peer.write_all(padded(15_000).as_bytes()).await.unwrap();
        (peer, ours)
    };
    assert!(acceptor.accept(ours).await.is_ok());
    let (_, answer) = told(&acceptor, padded(16 << 10).as_bytes()).await;
    assert_is_the_one_refusal(&answer, "long");
    let (_, answer) = told(&acceptor, "GET /x HTTP/1.1\r\nX: ".repeat(2_000).as_bytes()).await;
    assert_is_the_one_refusal(&answer, "without an end");
    assert_eq!(looked.load(Relaxed), 1);
}

/// U08: frames that came before the `101` was out, with the head or after it, are never delivered.
#[tokio::test]
async fn frames_before_the_answer_close_the_socket() {
    let world = World::new();
    let (acceptor, _) = acceptor(&world);
    let bearer = format!("Bearer {}", world.token());
    let head = head("/stream", &[("Authorization", &bearer)]).into_bytes();
    let frame = frame(TEXT, "early");
    let together = [head.clone(), frame.clone()].concat();
    for pieces in [vec![together], vec![head.clone(), frame.clone()], vec![head, frame[..1].into()]]
    {
        let mut socket = Pieces::new(pieces);
        let outcome = acceptor.accept(&mut socket).await;
        assert_eq!(reason(outcome), Reason::RequestMalformed);
        assert_is_the_one_refusal(std::str::from_utf8(&socket.answer).unwrap(), "early");
        assert!(socket.is_shut);
    }
}

/// U08: what follows a refused request is discarded, and answered with nothing.
#[tokio::test]
async fn frames_after_a_refusal_are_discarded() {
    let world = World::new();
    let (acceptor, _) = acceptor(&world);
    let head = head("/stream", &[("Authorization", "Bearer x")]).into_bytes();
    let frames = vec![frame(TEXT, "one"), frame(TEXT, "two"), frame(0x88, "")];
    let mut socket = Pieces::new([vec![head], frames].concat());
    assert_eq!(reason(acceptor.accept(&mut socket).await), Reason::CredentialMalformed);
    let answer = String::from_utf8(socket.answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(answer.ends_with(r#"{"type":"about:blank","title":"Denied"}"#), "{answer}");
    assert!(socket.unread.is_empty() && socket.is_shut);
}

/// U09: compression is not agreed on, whatever is offered, and a frame that claims to be compressed
/// ends the socket without a byte of it being delivered. So no context is shared, and there is
/// nothing that a small frame could unfold to.
#[tokio::test]
async fn nothing_is_ever_decompressed() {
    let world = World::new();
    let (acceptor, _) = acceptor(&world);
    let bearer = format!("Bearer {}", world.token());
    for offer in
        ["permessage-deflate", "permessage-deflate; client_max_window_bits, x-webkit-deflate-frame"]
    {
        let headers = [("Authorization", bearer.as_str()), ("Sec-WebSocket-Extensions", offer)];
        let pieces = Pieces::new([head("/stream", &headers)]);
        let (mut socket, _) = acceptor.accept(pieces).await.unwrap();
        let answer = String::from_utf8(socket.get_ref().answer.clone()).unwrap();
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        assert!(!answer.to_ascii_lowercase().contains("extensions"), "{answer}");

        let unread = &mut socket.get_mut().unread;
        unread.push_back(frame(TEXT, "plain"));
        unread.push_back(frame(TEXT | COMPRESSED, "zipped"));
        unread.push_back(frame(TEXT, "after"));
        assert_eq!(socket.next().await.unwrap().unwrap().to_text().unwrap(), "plain");
        let end = socket.next().await.unwrap().unwrap_err();
        assert!(matches!(end, Error::Protocol(ProtocolError::NonZeroReservedBits)), "{end}");
        assert!(socket.next().await.is_none());
    }
}

/// U07: the answer names the application's protocol, and the token nowhere.
#[tokio::test]
async fn a_browsers_token_is_not_echoed() {
    let world = World::new();
    let (acceptor, _) = acceptor(&world);
    let offer = format!("events.v1, cofferdam.bearer.{}", world.token());
    let headers = [("Origin", ORIGIN), ("Sec-WebSocket-Protocol", offer.as_str())];
    let pieces = Pieces::new([head("/stream", &headers)]);
    let (socket, upgrade) = acceptor.accept(pieces).await.unwrap();
    assert_eq!(upgrade.context.tenant(), &tenant("acme"));
    let answer = String::from_utf8(socket.get_ref().answer.clone()).unwrap();
    assert!(answer.contains("\r\nsec-websocket-protocol: events.v1\r\n"), "{answer}");
    assert!(!answer.contains("bearer") && !answer.contains("eyJ"), "{answer}");
}
