//! Notices on the wire, and the feed within a process.

use std::sync::{Arc, Mutex, Weak};

use cofferdam_auth::session::{
    LocalFeed, Notice, NoticeKey, RevocationFeed, RevocationListener, Target,
};
use proptest::prelude::{Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};

use crate::world::tenant;

fn key() -> NoticeKey {
    NoticeKey::new(&[1; 32])
}

fn revoked(of: &str, target: Target) -> Notice {
    Notice::Revoked { tenant: tenant(of), target, before_ms: 1_700_000_000_000 }
}

fn samples() -> Vec<Notice> {
    vec![
        Notice::Heartbeat { sent_ms: 1_700_000_000_000 },
        Notice::Generation { tenant: tenant("acme"), least: u64::MAX },
        revoked("acme", Target::Everything),
        revoked("acme", Target::Token("b9c1".into())),
        revoked("acme", Target::Key("k1".into())),
        revoked("acme", Target::Subject("ana@example.com".into())),
        revoked("acme", Target::Client("dashboard".into())),
    ]
}

#[test]
fn a_notice_comes_back_as_it_was_sealed() {
    for notice in samples() {
        let bytes = notice.seal(&key()).unwrap();
        assert!(bytes.len() <= Notice::MAX_LEN);
        assert_eq!(Notice::open(&bytes, &key()).as_ref(), Ok(&notice));
    }
}

/// The format is a promise to nodes of other versions.
#[test]
fn the_bytes_are_those_of_version_1() {
    let bytes = revoked("ac", Target::Key("k1".into())).seal(&key()).unwrap();
    let content = [1, 4, 0, 0, 1, 0x8b, 0xcf, 0xe5, 0x68, 0, 2, b'a', b'c', 0, 2, b'k', b'1'];
    assert_eq!(bytes[..content.len()], content);
    assert_eq!(bytes.len(), content.len() + 32);
}

/// V05: whoever has no key cannot change a bit, cut a byte or add one.
#[test]
fn a_notice_that_was_touched_is_none() {
    for notice in samples() {
        let bytes = notice.seal(&key()).unwrap();
        for at in 0..bytes.len() * 8 {
            let mut touched = bytes.clone();
            touched[at / 8] ^= 1 << (at % 8);
            assert!(Notice::open(&touched, &key()).is_err(), "{notice:?} bit {at}");
        }
        for len in 0..bytes.len() {
            assert!(Notice::open(&bytes[..len], &key()).is_err(), "{notice:?} {len}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(Notice::open(&longer, &key()).is_err(), "{notice:?}");
        let other = NoticeKey::new(&[2; 32]);
        assert!(Notice::open(&bytes, &other).is_err(), "{notice:?}");
    }
    assert!(Notice::open(&vec![0; Notice::MAX_LEN + 1], &key()).is_err());
}

/// A tag of one tenant's notice is no other's, and two notices never run together.
#[test]
fn a_notice_cannot_be_moved_to_another_tenant() {
    let target = || Target::Token("1".into());
    let own = revoked("acme", target()).seal(&key()).unwrap();
    let foreign = revoked("acmf", target()).seal(&key()).unwrap();
    let tag_at = own.len() - 32;
    let swapped = [&foreign[..tag_at], &own[tag_at..]].concat();
    assert!(Notice::open(&swapped, &key()).is_err());

    let pairs = [("a", "bc"), ("ab", "c"), ("abc", "")];
    let all = pairs.map(|(of, name)| revoked(of, Target::Token(name.into())).seal(&key()).unwrap());
    for (at, bytes) in all.iter().enumerate() {
        let (of, name) = pairs[at];
        assert_eq!(Notice::open(bytes, &key()), Ok(revoked(of, Target::Token(name.into()))));
    }
}

/// Sealed by a holder of the key, and still not a notice: another version, another kind, an id that
/// is none, a name where none belongs.
#[test]
fn only_the_one_spelling_is_read() {
    let seal = |content: &[u8]| {
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &[1; 32]);
        let tag = aws_lc_rs::hmac::sign(&key, &[b"cofferdam revocation notice", content].concat());
        [content, tag.as_ref()].concat()
    };
    let content = |version: u8, kind: u8, of: &[u8], name: &[u8]| {
        let mut bytes = vec![version, kind, 0, 0, 0, 0, 0, 0, 0, 7, of.len() as u8];
        bytes.extend(of);
        bytes.extend((name.len() as u16).to_be_bytes());
        bytes.extend(name);
        seal(&bytes)
    };
    let sound = content(1, 3, b"acme", b"t");
    let notice =
        Notice::Revoked { tenant: tenant("acme"), target: Target::Token("t".into()), before_ms: 7 };
    assert_eq!(Notice::open(&sound, &key()), Ok(notice));
    assert_eq!(
        Notice::open(&content(1, 0, b"", b""), &key()),
        Ok(Notice::Heartbeat { sent_ms: 7 })
    );
    let long = vec![b'x'; 8 * 1024 + 1];
    for (case, bytes) in [
        ("version 0", content(0, 3, b"acme", b"t")),
        ("version 2", content(2, 3, b"acme", b"t")),
        ("no such kind", content(1, 7, b"acme", b"t")),
        ("another case", content(1, 3, b"Acme", b"t")),
        ("no tenant", content(1, 3, b"", b"t")),
        ("not unicode", content(1, 3, b"acme", b"\xff")),
        ("a name that is too long", content(1, 3, b"acme", &long)),
        ("everything of something", content(1, 2, b"acme", b"t")),
        ("a generation of something", content(1, 1, b"acme", b"t")),
        ("a heartbeat of a tenant", content(1, 0, b"acme", b"")),
        ("a heartbeat of something", content(1, 0, b"", b"t")),
        ("a length that runs over", seal(&[1, 3, 0, 0, 0, 0, 0, 0, 0, 7, 200, b'a', 0, 0])),
        ("bytes behind the name", seal(&[1, 3, 0, 0, 0, 0, 0, 0, 0, 7, 1, b'a', 0, 0, b'x'])),
        ("nothing", seal(&[])),
    ] {
        assert!(Notice::open(&bytes, &key()).is_err(), "{case}");
    }
}

#[test]
fn a_name_that_no_token_can_hold_is_not_sealed() {
    let of = |len: usize| revoked("acme", Target::Subject("x".repeat(len).into())).seal(&key());
    assert!(of(8 * 1024).is_ok());
    assert!(of(8 * 1024 + 1).is_err());
}

/// To the byte: what a broker must be able to carry.
#[test]
fn the_longest_notice_is_as_long_as_it_is_said_to_be() {
    let notice = revoked(&"a".repeat(63), Target::Subject("x".repeat(8 * 1024).into()));
    let bytes = notice.seal(&key()).unwrap();
    assert_eq!((bytes.len(), Notice::MAX_LEN), (8_300, 8_300));
    assert_eq!(Notice::open(&bytes, &key()), Ok(notice));
}

#[test]
fn nothing_shows_a_key_or_a_name() {
    let targets = [
        (Target::Token("hunter2".into()), "Token(..)"),
        (Target::Key("hunter2".into()), "Key(..)"),
        (Target::Subject("hunter2".into()), "Subject(..)"),
        (Target::Client("hunter2".into()), "Client(..)"),
        (Target::Everything, "Everything"),
    ];
    for (target, shown) in targets {
        assert_eq!(format!("{target:?}"), shown);
    }
    assert_eq!(format!("{:?}", NoticeKey::new(&[7; 32])), "NoticeKey(..)");
    assert_eq!(format!("{:?}", LocalFeed::new()), "LocalFeed(..)");
}

/// In every phase of a rotation each node opens what any other seals.
#[test]
fn keys_rotate_without_a_silence() {
    let (old, new) = ([1; 32], [2; 32]);
    let phases = [
        NoticeKey::new(&old),
        NoticeKey::new(&old).and_opens(&new),
        NoticeKey::new(&new).and_opens(&old),
        NoticeKey::new(&new),
    ];
    let notice = revoked("acme", Target::Everything);
    for pair in phases.windows(2) {
        for (from, to) in [(&pair[0], &pair[1]), (&pair[1], &pair[0])] {
            assert_eq!(Notice::open(&notice.seal(from).unwrap(), to).as_ref(), Ok(&notice));
        }
    }
    let late = Notice::open(&notice.seal(&phases[0]).unwrap(), &phases[3]);
    assert!(late.is_err());
}

proptest! {
    #[test]
    fn any_notice_round_trips(of in "[a-z0-9][a-z0-9._-]{0,62}", name in ".{0,40}", time: i64, kind in 0_u8..7) {
        let (tenant, id) = (tenant(&of), Box::from(name));
        let revoked = |target| Notice::Revoked { tenant: tenant.clone(), target, before_ms: time };
        let notice = match kind {
            0 => Notice::Heartbeat { sent_ms: time },
            1 => Notice::Generation { tenant, least: time as u64 },
            2 => revoked(Target::Everything),
            3 => revoked(Target::Token(id)),
            4 => revoked(Target::Key(id)),
            5 => revoked(Target::Subject(id)),
            _ => revoked(Target::Client(id)),
        };
        let bytes = notice.seal(&key()).unwrap();
        prop_assert_eq!(Notice::open(&bytes, &key()), Ok(notice));
    }

    #[test]
    fn no_bytes_panic(bytes in prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        prop::collection::vec(0_u8..4, 40..60).prop_map(|bytes| bytes),
    ]) {
        let _ = Notice::open(&bytes, &key());
    }
}

#[derive(Default)]
struct Ear(Mutex<Vec<Notice>>);

impl RevocationListener for Ear {
    fn hear(&self, notice: &Notice) {
        self.0.lock().unwrap().push(notice.clone());
    }
}

impl Ear {
    fn listening(feed: &LocalFeed) -> Arc<Self> {
        let ear = Arc::new(Self::default());
        let weak: Weak<Self> = Arc::downgrade(&ear);
        feed.subscribe(weak).unwrap();
        ear
    }

    fn heard(&self) -> Vec<Notice> {
        self.0.lock().unwrap().clone()
    }
}

#[test]
fn everybody_in_the_process_has_heard_when_publishing_returns() {
    let feed = LocalFeed::new();
    let ears = [Ear::listening(&feed), Ear::listening(&feed)];
    for notice in samples() {
        feed.publish(&notice).unwrap();
    }
    let late = Ear::listening(&feed);
    assert!(ears.iter().all(|ear| ear.heard() == samples()) && late.heard().is_empty());
}

#[test]
fn who_has_gone_makes_room() {
    let feed = LocalFeed::new();
    for _ in 0..3_000 {
        drop(Ear::listening(&feed));
    }
    let ears: Vec<_> = (0..1_024).map(|_| Ear::listening(&feed)).collect();
    let one_more = Arc::new(Ear::default());
    let weak: Weak<Ear> = Arc::downgrade(&one_more);
    assert!(feed.subscribe(weak).is_err());
    drop(ears);
    Ear::listening(&feed);
}

/// A listener that publishes from within does not wait for itself.
#[test]
fn a_listener_may_publish() {
    struct Echo(LocalFeed, Mutex<u32>);
    impl RevocationListener for Echo {
        fn hear(&self, notice: &Notice) {
            let again = {
                let mut left = self.1.lock().unwrap();
                *left = left.saturating_sub(1);
                *left > 0
            };
            if again {
                self.0.publish(notice).unwrap();
            }
        }
    }
    let echo = Arc::new(Echo(LocalFeed::new(), Mutex::new(3)));
    let weak: Weak<Echo> = Arc::downgrade(&echo);
    echo.0.subscribe(weak).unwrap();
    echo.0.publish(&samples()[0]).unwrap();
    assert_eq!(*echo.1.lock().unwrap(), 0);
}
