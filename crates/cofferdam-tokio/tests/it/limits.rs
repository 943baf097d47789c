//! Row N03: how many handshakes at once, and how fast for one tenant.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    sync::Arc,
    task::{Context, Waker},
};

use cofferdam_auth::{Route, upgrade::Policy};
use cofferdam_core::{ConnectionId, Epoch};
use cofferdam_tokio::{
    UpgradeError,
    upgrade::{Acceptor, Limits},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::world::{Pieces, World, head, tenant};

fn acceptor(world: &World, limits: Limits) -> Acceptor {
    let bind = || (ConnectionId(1), Epoch(1));
    let policy = Policy::default();
    Acceptor::new(Arc::clone(&world.keys), policy, Route::any(), limits, world.clock, bind)
}

/// N03: a tenant that storms is told to come back later, after its token was verified; another
/// tenant's connection is taken at once.
#[tokio::test]
async fn a_storm_of_one_tenant_holds_up_no_other() {
    let world = World::new();
    let one = NonZeroU32::MIN;
    let limits = Limits { per_tenant_rate: one, per_tenant_burst: one, ..Limits::default() };
    let acceptor = acceptor(&world, limits);
    let ask = async |id: &str| {
        let bearer = format!("Bearer {}", world.token_of(id));
        let mut socket = Pieces::new([head("/", &[("Authorization", &bearer)])]);
        let outcome = acceptor.accept(&mut socket).await.map(|_| ());
        (outcome, String::from_utf8(socket.answer).unwrap())
    };
    let mut busy = 0;
    // One a second is let in, and these take far less than twenty.
    for _ in 0..20 {
        match ask("acme").await {
            (Ok(()), answer) => assert!(answer.starts_with("HTTP/1.1 101 ")),
            (Err(UpgradeError::Busy { tenant: whose, retry_after }), answer) => {
                busy += 1;
                assert_eq!(whose, tenant("acme"));
                assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
                let after = retry_after.as_nanos().div_ceil(1_000_000_000);
                assert!(answer.contains(&format!("\r\nretry-after: {after}\r\n")), "{answer}");
                assert!(!answer.contains("acme"), "{answer}");
            }
            (Err(other), _) => panic!("{other}"),
        }
    }
    assert!(busy > 0);
    assert!(ask("globex").await.0.is_ok());
    // A stranger learns nothing of how busy a tenant is.
    let mut socket = Pieces::new([head("/", &[("Authorization", "Bearer x")])]);
    assert!(matches!(acceptor.accept(&mut socket).await, Err(UpgradeError::Denied(_))));
}

/// N03: who comes while all places are taken is sent away unread, and a place that is given back is
/// free again.
#[tokio::test]
async fn handshakes_in_progress_are_counted() {
    let world = World::new();
    let limits = Limits { handshakes: NonZeroUsize::MIN, ..Limits::default() };
    let acceptor = acceptor(&world, limits);
    let (mut slow_peer, slow) = duplex(1_024);
    slow_peer.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let mut slow = Box::pin(acceptor.accept(slow));
    // It has read what there was, and waits for more.
    assert!(slow.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());

    let bearer = format!("Bearer {}", world.token());
    let request = head("/", &[("Authorization", &bearer)]);
    let (mut peer, ours) = duplex(4 << 10);
    peer.write_all(request.as_bytes()).await.unwrap();
    assert!(matches!(acceptor.accept(ours).await, Err(UpgradeError::Overloaded)));
    let mut answer = String::new();
    peer.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("\r\nretry-after: 1\r\n"), "{answer}");

    drop(slow);
    assert!(acceptor.accept(Pieces::new([request])).await.is_ok());
}
