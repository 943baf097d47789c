//! Handshakes, sessions and reads that are dropped half-way: what the next tenant finds.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use cofferdam_auth::{
    Revoked, Route,
    session::{self, Why},
    upgrade::Policy,
};
use cofferdam_core::{ConnectionId, Epoch, Scoped, TenantContext};
use cofferdam_tokio::{
    FrameReader,
    sessions::{SessionRegistry, close_session},
    upgrade::{Acceptor, Keys, Limits},
};
use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    task::{JoinHandle, yield_now},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

use super::{
    cancelled::at_every_await,
    world::{World, head, tenant},
};

/// A peer that sends a head in pieces and reads what it is told, byte by byte.
fn peer(world: &World, id: &str) -> (DuplexStream, JoinHandle<String>) {
    let token = world.token_of(id);
    let request = head("/", &[("Authorization", &format!("Bearer {token}"))]);
    let (mut theirs, ours) = duplex(64);
    let asking = tokio::spawn(async move {
        let mut answer = Vec::new();
        for piece in request.as_bytes().chunks(100) {
            if theirs.write_all(piece).await.is_err() {
                return String::new();
            }
            yield_now().await;
        }
        while let Ok(byte) = theirs.read_u8().await {
            answer.push(byte);
            if answer.ends_with(b"\r\n\r\n") {
                break;
            }
        }
        String::from_utf8(answer).unwrap()
    });
    (ours, asking)
}

/// One place for a handshake, and connections that are numbered.
fn acceptor(world: &World, keys: impl Into<Keys>) -> Acceptor {
    let limits = Limits { handshakes: NonZeroUsize::MIN, ..Limits::default() };
    let numbered = AtomicU64::new(1);
    let bind = move || (ConnectionId(numbered.fetch_add(1, SeqCst)), Epoch(1));
    Acceptor::new(keys, Policy::default(), Route::any(), limits, world.clock, bind)
}

/// The next handshake on the same acceptor is another tenant's, and is accepted as that tenant's.
async fn another_is_accepted(world: &World, acceptor: &Acceptor) -> ConnectionId {
    let (ours, answer) = peer(world, "globex");
    let (_socket, upgrade) = acceptor.accept(ours).await.unwrap();
    assert_eq!(upgrade.context.tenant(), &tenant("globex"));
    assert!(answer.await.unwrap().starts_with("HTTP/1.1 101 "));
    upgrade.context.connection()
}

/// S02: the only place for a handshake is free again wherever the one before was dropped, and
/// nothing of it is in the next one's answer.
#[tokio::test(start_paused = true)]
async fn a_handshake_that_is_dropped_anywhere_gives_its_place_to_another_tenant() {
    let world = World::new();
    let acceptor = acceptor(&world, Arc::clone(&world.keys));
    let mut last = ConnectionId(0);
    let polls = at_every_await(async |cut| {
        let (ours, answer) = peer(&world, "acme");
        let accepted = cut.of(acceptor.accept(ours)).await;
        let is_done = accepted.is_some();
        if let Some(outcome) = accepted {
            assert_eq!(outcome.unwrap().1.context.tenant(), &tenant("acme"));
        }
        let told = answer.await.unwrap();
        assert!(told.len() < 13 || told.starts_with("HTTP/1.1 101 "), "{told}");
        let next = another_is_accepted(&world, &acceptor).await;
        assert!(next.0 > last.0, "no connection is numbered twice");
        last = next;
        is_done
    });
    assert!(polls.await > 6, "the head and its answer came in pieces");
}

/// What a server does with a connection that it has accepted.
async fn serve(
    registry: &SessionRegistry,
    context: TenantContext,
    socket: &mut WebSocketStream<DuplexStream>,
) -> Why {
    let mut guard = registry.open(context).unwrap();
    let why = guard.ended().await;
    close_session(socket, why).await;
    why
}

/// S02: the only place that a tenant has for a session is free again wherever the task was dropped
/// that served the one before, and the other tenant's session is not touched.
#[tokio::test(start_paused = true)]
async fn a_session_that_is_dropped_anywhere_leaves_its_place_and_nobody_elses() {
    let polls = at_every_await(async |cut| {
        let world = World::new();
        let limits = session::Limits { per_tenant: 1, ..session::Limits::default() };
        let (registry, _driver) =
            SessionRegistry::start(Arc::clone(&world.keys), world.clock, limits);
        let context = |token: &str| {
            let (now, route) = (world.clock.now(), Route::any());
            world.keys.verify(token, &route, now, ConnectionId(1), Epoch(1)).unwrap()
        };
        let mut foreign = registry.open(context(&world.token_of("globex"))).unwrap();
        // The close frame does not fit in whole.
        let (theirs, ours) = duplex(4);
        let mut theirs = WebSocketStream::from_raw_socket(theirs, Role::Client, None).await;
        let mut ours = WebSocketStream::from_raw_socket(ours, Role::Server, None).await;
        let (own, revoking) = (context(&world.token()), registry.clone());
        let revokes = tokio::spawn(async move {
            yield_now().await;
            revoking.revoke(&tenant("acme"), Revoked::Token("1")).unwrap();
            while let Some(Ok(_)) = theirs.next().await {}
        });
        let served = cut.of(serve(&registry, own, &mut ours)).await;
        assert!(served.is_none_or(|why| why == Why::Revoked));
        assert_eq!((registry.len(), foreign.has_ended()), (1, None));
        drop(ours);
        revokes.await.unwrap();
        let next = registry.open(context(&world.token_with("jti", "2"))).unwrap();
        assert_eq!((next.tenant(), registry.len()), (&tenant("acme"), 2));
        assert_eq!(foreign.has_ended(), None);
        served.is_some()
    });
    assert!(polls.await > 3);
}

/// S02: whoever stops waiting for a session's end, even when it has just come, hears of it later.
#[tokio::test(start_paused = true)]
async fn the_end_of_a_session_is_not_lost_with_a_wait_for_it() {
    let polls = at_every_await(async |cut| {
        let world = World::new();
        let limits = session::Limits::default();
        let (registry, _driver) =
            SessionRegistry::start(Arc::clone(&world.keys), world.clock, limits);
        let (now, route) = (world.clock.now(), Route::any());
        let context = world.keys.verify(&world.token(), &route, now, ConnectionId(1), Epoch(1));
        let mut guard = registry.open(context.unwrap()).unwrap();
        let revoking = registry.clone();
        let revokes = tokio::spawn(async move {
            yield_now().await;
            revoking.revoke(&tenant("acme"), Revoked::Everything).unwrap();
        });
        let heard = cut.of(guard.ended()).await;
        revokes.await.unwrap();
        assert_eq!((guard.has_ended(), guard.ended().await), (Some(Why::Revoked), Why::Revoked));
        heard.is_some()
    });
    assert!(polls.await >= 2);
}

/// The platform's end and ours, with a pipe that holds no message whole.
async fn pipe() -> (WebSocketStream<DuplexStream>, FrameReader<DuplexStream>) {
    let (theirs, ours) = duplex(50);
    let theirs = WebSocketStream::from_raw_socket(theirs, Role::Server, None).await;
    let ours = WebSocketStream::from_raw_socket(ours, Role::Client, None).await;
    (theirs, FrameReader::new(ours))
}

/// S02: a frame is in the batch or still in the socket, wherever a read is dropped.
#[tokio::test(start_paused = true)]
async fn a_read_that_is_dropped_anywhere_loses_no_frame_and_repeats_none() {
    let polls = at_every_await(async |cut| {
        let (mut platform, mut reader) = pipe().await;
        let sends = tokio::spawn(async move {
            for number in 0..20 {
                platform.send(Message::text(format!("{number:0120}"))).await.unwrap();
            }
            platform
        });
        let (mut batch, mut is_done) = (Vec::new(), true);
        while batch.len() < 20 {
            let read = timeout(Duration::from_secs(1), reader.read_batch(&mut batch, 3));
            is_done &= cut.of(read).await.is_some();
            if batch.len() < 20 {
                let read = timeout(Duration::from_secs(1), reader.read_batch(&mut batch, 1));
                read.await.expect("a frame was lost").unwrap();
            }
        }
        let texts = batch.iter().map(|frame| String::from_utf8(frame.bytes().to_vec()).unwrap());
        assert!(texts.eq((0..batch.len()).map(|number| format!("{number:0120}"))));
        drop(sends);
        is_done
    });
    assert!(polls.await > 2);
}

/// S02: what was sent in part when its sender gave up comes whole, or not at all, and before what is
/// sent next.
#[tokio::test(start_paused = true)]
async fn a_message_whose_sending_is_dropped_is_not_cut_in_half() {
    let (first, second) = ("1".repeat(300), "2".repeat(300));
    let polls = at_every_await(async |cut| {
        let (mut platform, mut reader) = pipe().await;
        let hears = tokio::spawn(async move {
            let mut heard = Vec::new();
            while let Some(Ok(message)) = platform.next().await {
                heard.extend(message.is_text().then(|| message.into_text().unwrap().to_string()));
            }
            heard
        });
        let sent = cut.of(reader.send_text(first.clone())).await;
        reader.send_text(second.clone()).await.unwrap();
        reader.close().await;
        drop(reader);
        let heard = hears.await.unwrap();
        let both = heard == [first.clone(), second.clone()];
        assert!(both || sent.is_none() && heard == [second.clone()], "{heard:?}");
        sent.is_some()
    });
    assert!(polls.await > 3);
}
