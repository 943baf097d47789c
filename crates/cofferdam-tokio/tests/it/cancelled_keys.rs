//! Key checks, registrations and fetches that are dropped half-way: what the next tenant finds.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, atomic::AtomicUsize, atomic::Ordering::SeqCst},
};

use cofferdam_auth::{IssuerConfig, Route, refresh::Answer};
use cofferdam_core::{ConnectionId, Epoch, Reason, Scoped};
use cofferdam_tokio::{JwksClient, KeyEvent, Networks, RegisterError};
use futures_util::FutureExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::yield_now,
};

use super::{
    cancelled::{When, at_every_await},
    keys::{Does, Server, World, issuer},
    world::tenant,
};

/// S02: as many may wait for keys as before, whoever stopped waiting, and wherever: if one place of
/// a thousand dropped checks were not given back, the next tenant's client would be refused at once.
#[tokio::test(start_paused = true)]
async fn checks_that_are_dropped_anywhere_give_back_their_places() {
    let world = World::new();
    let made_up = world.token("nobody", 1, "k1");
    let verify = || world.verify(&made_up);
    let polls = at_every_await(async |cut| {
        let mut is_done = cut.of(verify()).await.is_some();
        // Those that are woken take a second each, if only of virtual time.
        let more = if is_done || cut.1 == When::Woken { 0 } else { 1_024 };
        for _ in 0..more {
            is_done |= cut.of(verify()).await.is_some();
            yield_now().await;
        }
        assert!(verify().now_or_never().is_none(), "it is held, not refused at once");
        is_done
    });
    assert!(polls.await >= 2);
}

/// S02: a check that is dropped while its key is fetched leaves the fetch to those who come after, and
/// its answer to nobody.
#[tokio::test]
async fn a_check_that_is_dropped_anywhere_leaves_the_key_to_the_next() {
    let polls = at_every_await(async |cut| {
        let (world, acme, globex) =
            (World::new(), Server::start(&[1]).await, Server::start(&[2]).await);
        world.register("acme", &acme).await.unwrap();
        world.register("globex", &globex).await.unwrap();
        acme.now(Does::Publish(vec![1, 2]));
        let newer = world.token("acme", 2, "k2");
        let checked = cut.of(world.verify(&newer)).await;
        let other = world.verify(&world.token("globex", 2, "k2")).await.unwrap();
        assert_eq!(other.tenant(), &tenant("globex"));
        let again = world.verify(&newer).await.unwrap();
        assert_eq!((again.tenant(), acme.asked(), globex.asked()), (&tenant("acme"), 2, 1));
        checked.is_some()
    });
    assert!(polls.await >= 2);
}

/// S02: what was asked for checks that are gone takes nobody's room once the keeper has come to it.
#[tokio::test]
async fn checks_that_are_gone_take_no_room_in_the_keepers_queue() {
    let (world, acme) = (World::new(), Server::start(&[1]).await);
    world.register("acme", &acme).await.unwrap();
    acme.now(Does::Publish(vec![1, 2]));
    let stranger = world.token("nobody", 1, "k1");
    for _ in 0..3 {
        let (now, route) = (world.clock.now(), Route::any());
        let checked = world.keeper.ring().verify(&stranger, &route, now, ConnectionId(1), Epoch(1));
        let failure = checked.unwrap_err();
        (0..1_024).for_each(|_| world.keeper.ask_for_key(&stranger, &failure));
        for _ in 0..100 {
            yield_now().await;
        }
    }
    assert!(world.verify(&world.token("acme", 2, "k2")).await.is_ok());
}

/// The issuer of one tenant, as another tenant registers it.
fn taken_over() -> IssuerConfig {
    IssuerConfig::new(&issuer("acme"), tenant("globex"), "events")
}

/// S02: a registration that is dropped is whole or not there. Removed, it leaves the issuer's name to
/// another tenant, and what was on its way for the first installs nothing under the second.
#[tokio::test]
async fn a_registration_that_is_dropped_anywhere_can_be_removed_and_taken_over() {
    let polls = at_every_await(async |cut| {
        let (world, first, second) =
            (World::new(), Server::start(&[1]).await, Server::start(&[2]).await);
        let check = |token: &str| {
            let (now, route) = (world.clock.now(), Route::any());
            world.keeper.ring().verify(token, &route, now, ConnectionId(1), Epoch(1))
        };
        let registered = cut.of(world.register("acme", &first)).await;
        assert!(registered.is_none_or(|kept| kept == Ok(true)));
        // Its keys have come, though nobody has looked. Else they may come while it is removed.
        if cut.1 == When::Woken && cut.0 > 0 {
            assert!(check(&world.token("acme", 1, "k1")).is_ok(), "it is whole");
        }
        world.keeper.remove(&issuer("acme")).await;
        assert_eq!(world.keeper.register(&taken_over(), &second.address).await, Ok(true));
        for _ in 0..100 {
            yield_now().await;
        }
        let stale = check(&world.token("acme", 1, "k1")).unwrap_err();
        assert_eq!(
            stale.reason(),
            Reason::UnknownKey,
            "the first tenant's key is not the second's"
        );
        let mixed = check(&world.token("acme", 2, "k2")).unwrap_err();
        assert_eq!(mixed.reason(), Reason::TenantMismatch, "a token says whose it is");
        registered.is_some()
    });
    assert!(polls.await >= 2);
}

/// S02: an issuer whose removal is dropped while strangers keep the keeper busy is removed all the
/// same: its sessions are named. The order is kept: whoever registers it next is not removed in its place.
#[tokio::test]
async fn a_removal_that_is_dropped_anywhere_is_carried_out_and_in_its_turn() {
    let polls = at_every_await(async |cut| {
        let (world, first, second) =
            (World::new(), Server::start(&[1]).await, Server::start(&[2]).await);
        world.register("acme", &first).await.unwrap();
        // Nothing else runs before the next await: strangers have filled the keeper's queue.
        let stranger = world.token("nobody", 1, "k1");
        let (now, route) = (world.clock.now(), Route::any());
        let failure = world.keeper.ring().verify(&stranger, &route, now, ConnectionId(1), Epoch(1));
        let failure = failure.unwrap_err();
        (0..1_024).for_each(|_| world.keeper.ask_for_key(&stranger, &failure));
        let removed = cut.of(world.keeper.remove(&issuer("acme"))).await;
        if cut.0 == 0 {
            return false;
        }
        let again = world.keeper.register(&taken_over(), &second.address).await;
        assert_eq!(again, Ok(true), "it is free at once, and kept");
        let twice = world.keeper.register(&taken_over(), &second.address).await;
        assert!(matches!(twice, Err(RegisterError::Issuer(_))), "{twice:?}");
        let events = world.events.lock().unwrap();
        let [_, KeyEvent::Removed { tenant: old, .. }, KeyEvent::Published { tenant: new, .. }] =
            &events[..]
        else {
            panic!("{events:?}")
        };
        assert_eq!((old.as_str(), new.as_str()), ("acme", "globex"));
        removed.is_some()
    });
    assert!(polls.await >= 2, "it waits for the keeper");
}

/// S02: the same where nobody registers it again.
#[tokio::test]
async fn the_sessions_of_an_issuer_are_named_though_its_removal_was_dropped() {
    let (world, server) = (World::new(), Server::start(&[1]).await);
    world.register("acme", &server).await.unwrap();
    let stranger = world.token("nobody", 1, "k1");
    let (now, route) = (world.clock.now(), Route::any());
    let failure = world.keeper.ring().verify(&stranger, &route, now, ConnectionId(1), Epoch(1));
    let failure = failure.unwrap_err();
    (0..1_024).for_each(|_| world.keeper.ask_for_key(&stranger, &failure));
    assert!(world.keeper.remove(&issuer("acme")).now_or_never().is_none(), "it waits");
    for _ in 0..100 {
        yield_now().await;
    }
    let events = world.events.lock().unwrap();
    assert!(matches!(&events[..], [_, KeyEvent::Removed { .. }]), "{events:?}");
}

/// Pieces in which the host below answers, in bytes. A connection on which so many are missing is not
/// one that may be asked again.
const PIECE: usize = 16;
const MANY: usize = 4;

/// One host that serves two tenants' key sets, as an identity provider does.
#[derive(Clone, Default)]
struct Host {
    connections: Arc<AtomicUsize>,
    /// By connection: how many pieces of its answer are missing.
    missing: Arc<Mutex<BTreeMap<usize, usize>>>,
    /// On which connection each path was asked for last.
    asked: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Host {
    async fn start() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let host = Self::default();
        let serving = host.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let number = serving.connections.fetch_add(1, SeqCst);
                tokio::spawn(serving.clone().serve(socket, number));
            }
        });
        (host, address)
    }

    async fn serve(self, mut socket: TcpStream, number: usize) {
        socket.set_nodelay(true).unwrap();
        let mut request = vec![0; 2_048];
        while let Ok(length @ 1..) = socket.read(&mut request).await {
            let head = String::from_utf8_lossy(&request[..length]).into_owned();
            let path = head.split(' ').nth(1).unwrap().to_owned();
            let body = body_of(&path);
            self.asked.lock().unwrap().insert(path, number);
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            let pieces = answer.as_bytes().chunks(PIECE);
            let mut missing = pieces.len();
            for piece in pieces {
                self.missing.lock().unwrap().insert(number, missing);
                if socket.write_all(piece).await.is_err() {
                    self.missing.lock().unwrap().remove(&number);
                    return;
                }
                missing -= 1;
                yield_now().await;
            }
            self.missing.lock().unwrap().remove(&number);
        }
    }

    /// The connection in the middle of whose answer the host is.
    fn interrupted(&self) -> Option<usize> {
        let missing = self.missing.lock().unwrap();
        missing.iter().find(|(_, missing)| **missing >= MANY).map(|(number, _)| *number)
    }
}

fn body_of(path: &str) -> String {
    format!("{{\"keys\":[],\"of\":\"{}\"}}", path.repeat(40))
}

/// S02: a connection on which an answer was given up half-way is not asked again, and the next
/// tenant's answer, from the same host and by the same client, is its own.
#[tokio::test]
async fn a_fetch_that_is_dropped_anywhere_leaves_no_connection_in_the_middle_of_an_answer() {
    let client = JwksClient::new(Networks::PublicAndThisMachine).unwrap();
    let (host, address) = Host::start().await;
    let (acme, globex) = (format!("{address}/acme"), format!("{address}/globex"));
    let mut interrupted = 0;
    let polls = at_every_await(async |cut| {
        let fetched = cut.of(client.fetch(&acme, None)).await;
        let middle = host.interrupted().filter(|_| fetched.is_none());
        let answer = client.fetch(&globex, None).await.unwrap();
        let Answer::Set { body, .. } = answer else { panic!("{answer:?}") };
        assert_eq!(String::from_utf8(body).unwrap(), body_of("/globex"));
        if let Some(middle) = middle {
            interrupted += 1;
            assert_ne!(host.asked.lock().unwrap()["/globex"], middle, "{cut:?}");
        }
        fetched.is_some()
    })
    .await;
    assert!(polls > 5 && interrupted > 3, "{polls} polls, {interrupted} in the middle");
    assert!(host.connections.load(SeqCst) > interrupted, "each of them cost a connection");
}
