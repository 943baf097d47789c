//! Accepting, renewing and revoking at once: every order of their steps, one after the other.
//!
//! A check is one look at one table, and an input to the machine is one turn under a lock. So a run
//! of several threads is some order of such steps, and trying all orders tries all runs.

use std::collections::BTreeSet;

use cofferdam_auth::{
    IssuerConfig, KeyRing, Revoked, Route,
    session::{Effect, Input, Limits, Sessions, Target, Why},
};
use cofferdam_core::{ConnectionId, Epoch, Machine, Reason, TenantContext};

use crate::world::{
    ACME, NOW_S, WORLD, claims, config, ed25519_jwk, good, header, jwks, mint, now, tenant,
};

/// One step of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// The upgrade checks the token.
    Check,
    /// It registers the session, if the check passed.
    Open,
    /// The session that is open already has its newer token checked.
    CheckRenewal,
    /// It is renewed, if that passed.
    Renew,
    /// The key ring of a node hears of the change.
    Ring,
    /// The sessions of a node hear of it.
    Sessions,
}

/// What is changed while sessions are accepted.
#[derive(Debug, Clone, Copy)]
enum Change {
    Revoke(Revoked<'static>),
    WithdrawKey,
    Remake,
}

const CHANGES: [Change; 7] = [
    Change::Revoke(Revoked::Token("b9c1")),
    Change::Revoke(Revoked::Key("k1")),
    Change::Revoke(Revoked::Subject("svc-7")),
    Change::Revoke(Revoked::Client("dashboard")),
    Change::Revoke(Revoked::Everything),
    Change::WithdrawKey,
    Change::Remake,
];

/// All orders of the steps of several threads, each thread's own in their order.
fn interleavings(threads: &[&[Step]]) -> Vec<Vec<Step>> {
    if threads.iter().all(|thread| thread.is_empty()) {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for at in 0..threads.len() {
        let Some((first, rest)) = threads[at].split_first() else { continue };
        let mut left = threads.to_vec();
        left[at] = rest;
        for mut order in interleavings(&left) {
            order.insert(0, *first);
            all.push(order);
        }
    }
    all
}

/// A node: its ring, its sessions, and what its threads hold in their hands.
struct Node {
    ring: KeyRing,
    sessions: Sessions,
    accepted: Option<TenantContext>,
    renewal: Option<TenantContext>,
    effects: Vec<Effect>,
}

const ACCEPTED: ConnectionId = ConnectionId(1);
const RENEWED: ConnectionId = ConnectionId(2);

impl Node {
    /// A node on which one session of acme's is open.
    fn new() -> Self {
        let ring = KeyRing::new(WORLD.verifier.clone());
        let mut node = Self {
            ring,
            sessions: Sessions::new(Limits::default()),
            accepted: None,
            renewal: None,
            effects: Vec::new(),
        };
        let context = node.check(&good(), RENEWED).unwrap();
        node.tell(Input::Open { context });
        node
    }

    fn check(&self, token: &str, connection: ConnectionId) -> Result<TenantContext, Reason> {
        let checked = self.ring.verify(token, &Route::any(), now(), connection, Epoch(1));
        checked.map_err(|failure| failure.reason())
    }

    fn tell(&mut self, input: Input) {
        self.sessions.handle_input(input, now(), &mut self.effects);
    }

    fn change_ring(&self, change: Change) {
        match change {
            Change::Revoke(what) => self.ring.revoke(&tenant("acme"), what, now()).unwrap(),
            Change::WithdrawKey => {
                let left = jwks(&[ed25519_jwk("k9", "EdDSA", &WORLD.acme)]);
                self.ring.replace_keys(ACME, left.as_bytes(), now()).unwrap();
            }
            Change::Remake => self.ring.remove(ACME),
        }
    }

    fn change_sessions(&mut self, change: Change) {
        let tenant = tenant("acme");
        self.tell(match change {
            Change::Revoke(what) => {
                let before_ms = now().wall_ms();
                Input::Revoke { tenant, target: Target::from(what), before_ms, as_of_now: false }
            }
            Change::WithdrawKey => {
                let keys = vec![("k9".into(), [9; 16])];
                Input::KeysChanged { tenant, issuer: ACME.into(), keys }
            }
            Change::Remake => Input::Generation { tenant, least: 1 },
        });
    }

    fn take(&mut self, step: Step, change: Change, longer: &str) {
        match step {
            Step::Check => self.accepted = self.check(&good(), ACCEPTED).ok(),
            Step::CheckRenewal => self.renewal = self.check(longer, RENEWED).ok(),
            Step::Open => {
                if let Some(context) = self.accepted.take() {
                    self.tell(Input::Open { context });
                }
            }
            Step::Renew => {
                if let Some(context) = self.renewal.take() {
                    self.tell(Input::Renew {
                        tenant: tenant("acme"),
                        connection: RENEWED,
                        context,
                    });
                }
            }
            Step::Ring => self.change_ring(change),
            Step::Sessions => self.change_sessions(change),
        }
    }
}

/// A token like the good one that lives for a minute longer.
fn longer() -> String {
    let mut claims = claims();
    claims["exp"] = (NOW_S + 660).into();
    mint("acme", &header().to_string(), &claims.to_string())
}

/// V06: whatever the order, nothing that was revoked is open afterwards. A node that is told by the
/// feed takes the same steps, possibly twice, and a driver may tell ring and sessions in either
/// order.
#[test]
fn no_order_of_accepting_renewing_and_revoking_leaves_a_session_open() {
    let longer = longer();
    let accept: &[Step] = &[Step::Check, Step::Open];
    let renew: &[Step] = &[Step::CheckRenewal, Step::Renew];
    let told: [&[Step]; 3] = [
        &[Step::Ring, Step::Sessions],
        &[Step::Sessions, Step::Ring],
        &[Step::Ring, Step::Sessions, Step::Ring, Step::Sessions],
    ];
    for change in CHANGES {
        let mut ways = BTreeSet::new();
        for told in told {
            for order in interleavings(&[accept, renew, told]) {
                let mut node = Node::new();
                for step in &order {
                    node.take(*step, change, &longer);
                }
                assert!(node.sessions.is_empty(), "{change:?} {order:?}");
                let refused = node.check(&good(), ACCEPTED).is_err();
                assert!(refused, "{change:?} {order:?}");
                ways.extend(way(&node.effects));
            }
        }
        // All three ways were gone: ended by the change, refused when opened, and (neither effect)
        // refused by the check.
        assert_eq!(ways, BTreeSet::from(["ended", "neither", "refused"]), "{change:?}");
    }
}

fn way(effects: &[Effect]) -> Option<&'static str> {
    let of = effects.iter().find_map(|effect| match effect {
        Effect::End { connection: ACCEPTED, .. } => Some("ended"),
        Effect::Refused { connection: ACCEPTED, .. } => Some("refused"),
        _ => None,
    });
    Some(of.unwrap_or("neither"))
}

/// S07: while a tenant is made again, sessions of both registrations are accepted; only those of the
/// later one are there at the end.
#[test]
fn a_tenant_that_is_made_again_keeps_its_new_sessions_only() {
    let later = |ring: &KeyRing| {
        ring.remove(ACME);
        let again = IssuerConfig { generation: 1, ..config(ACME, "acme") };
        ring.register(&again).unwrap();
        let keys = jwks(&[ed25519_jwk("k1", "EdDSA", &WORLD.acme)]);
        ring.replace_keys(ACME, keys.as_bytes(), now()).unwrap();
    };
    let (accept, told) = ([Step::Check, Step::Open], [Step::Ring, Step::Sessions]);
    for order in interleavings(&[&accept, &told]) {
        let mut node = Node::new();
        let mut made_again = false;
        let mut checked_after = false;
        for step in &order {
            match step {
                Step::Ring => {
                    later(&node.ring);
                    made_again = true;
                }
                step => {
                    checked_after |= made_again && *step == Step::Check;
                    node.take(*step, Change::Remake, "");
                }
            }
        }
        assert_eq!(node.sessions.is_open(&tenant("acme"), ACCEPTED), checked_after, "{order:?}");
        assert!(!node.sessions.is_open(&tenant("acme"), RENEWED), "{order:?}");
        let ends = node.effects.iter().filter(|effect| {
            matches!(effect, Effect::End { why: Why::Generation, connection: RENEWED, .. })
        });
        assert_eq!(ends.count(), 1, "{order:?}");
    }
}

#[test]
fn all_orders_are_tried() {
    let (a, b): (&[Step], &[Step]) = (&[Step::Check, Step::Open], &[Step::Ring, Step::Sessions]);
    let orders: BTreeSet<_> = interleavings(&[a, b, &[Step::Renew]]).into_iter().collect();
    assert_eq!(orders.len(), 30, "5! / (2! 2!)");
}
