//! The check passes machines that keep tenants apart, and fails machines that leak in known ways.

use std::{
    collections::{BTreeMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use cofferdam_core::{Machine, Now, Scoped, TenantId};
use cofferdam_sim::{
    PerTenant, Step, assert_noninterference,
    noninterference::{Interference, check},
};

/// How a [`Relay`] shares what it should not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leak {
    None,
    /// Numbers everybody's messages with one counter.
    SharedCounter,
    /// Holds four messages in all rather than four for each tenant.
    SharedBuffer,
    /// Sends everything when anybody's timer fires.
    SharedTimer,
    /// Gives B's message to A when A has asked most recently.
    Misroutes,
    /// Sends a word to somebody who said nothing.
    Gossips,
}

/// Takes messages and relays them 10 ms later.
#[derive(Debug)]
struct Relay {
    leak: Leak,
    lanes: BTreeMap<TenantId, VecDeque<(Now, u32)>>,
    counts: BTreeMap<TenantId, u64>,
    total: u64,
    last: Option<TenantId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    Relayed(TenantId, u64, u32),
    Full(TenantId),
}

impl Scoped for Said {
    fn tenant(&self) -> &TenantId {
        match self {
            Self::Relayed(tenant, ..) | Self::Full(tenant) => tenant,
        }
    }
}

impl Relay {
    fn new(leak: Leak) -> Self {
        Self { leak, lanes: BTreeMap::new(), counts: BTreeMap::new(), total: 0, last: None }
    }

    fn relay(&mut self, tenant: &TenantId, body: u32, effects: &mut Vec<Said>) {
        let own = self.counts.entry(tenant.clone()).or_default();
        *own += 1;
        self.total += 1;
        let number = if self.leak == Leak::SharedCounter { self.total } else { *own };
        let mut to = tenant.clone();
        if let (Leak::Misroutes, Some(last)) = (self.leak, &self.last) {
            to = last.clone();
        }
        effects.push(Said::Relayed(to, number, body));
    }
}

impl Machine for Relay {
    type Input = (TenantId, u32);
    type Effect = Said;

    fn handle_input(&mut self, (tenant, body): Self::Input, now: Now, effects: &mut Vec<Said>) {
        self.last = Some(tenant.clone());
        let held = match self.leak {
            Leak::SharedBuffer => self.lanes.values().map(VecDeque::len).sum(),
            _ => self.lanes.get(&tenant).map_or(0, VecDeque::len),
        };
        if held >= 4 {
            effects.push(Said::Full(tenant));
            return;
        }
        if self.leak == Leak::Gossips && body == 7 {
            effects.push(Said::Full(TenantId::parse("bystander").unwrap()));
        }
        let due = now.after(Duration::from_millis(10));
        self.lanes.entry(tenant).or_default().push_back((due, body));
    }

    fn handle_timeout(&mut self, now: Now, effects: &mut Vec<Said>) {
        let anybody_due = self.poll_timeout().is_some_and(|due| now.reached(due));
        let everybody = self.leak == Leak::SharedTimer && anybody_due;
        for tenant in self.lanes.keys().cloned().collect::<Vec<_>>() {
            while let Some(&(due, body)) = self.lanes.get(&tenant).and_then(VecDeque::front) {
                if !everybody && !now.reached(due) {
                    break;
                }
                self.lanes.get_mut(&tenant).unwrap().pop_front();
                self.relay(&tenant, body, effects);
            }
        }
    }

    fn poll_timeout(&self) -> Option<Now> {
        self.lanes.values().filter_map(|lane| lane.front().map(|&(due, _)| due)).min()
    }
}

fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

/// A says something every 25 ms; B floods from 95 to 105 ms, and so is due before A is.
fn script() -> Vec<(Now, Step<(TenantId, u32)>)> {
    let mut script = Vec::new();
    for ms in 0..200_u32 {
        if ms.is_multiple_of(25) {
            script.push((ms, Step::Input((tenant("a"), ms))));
        }
        if (95..105).contains(&ms) {
            script.push((ms, Step::Input((tenant("b"), 7))));
        }
    }
    script.push((1_000, Step::Timeout));
    let at = |(ms, step)| (Now::from_millis(u64::from(ms), 0), step);
    script.into_iter().map(at).collect()
}

fn find(leak: Leak) -> Result<(), Interference> {
    let view = |at: Now, said: &Said| (at, said.clone());
    check(|| Relay::new(leak), |(tenant, _)| tenant.clone(), view, &script())
}

#[test]
fn passes_a_machine_that_keeps_tenants_apart() {
    assert_noninterference(|| Relay::new(Leak::None), |(t, _)| t.clone(), &script());
}

#[test]
fn finds_a_shared_counter() {
    let found = find(Leak::SharedCounter).unwrap_err();
    assert_eq!(found.tenant(), &tenant("a"));
    // A's messages at 0, 25, 50 and 75 ms are numbered as if alone; the next one is not.
    assert_eq!(found.index(), 4);
}

#[test]
fn finds_a_shared_buffer() {
    assert!(find(Leak::SharedBuffer).is_err());
}

#[test]
fn finds_a_shared_timer_by_the_time_of_the_effects() {
    let found = find(Leak::SharedTimer).unwrap_err();
    assert_eq!(found.tenant(), &tenant("a"));
    // The content is the same: a view without time does not see this leak, as it says.
    let timeless = |_, said: &Said| said.clone();
    let make = || Relay::new(Leak::SharedTimer);
    assert_eq!(check(make, |(t, _)| t.clone(), timeless, &script()), Ok(()));
}

#[test]
fn finds_a_message_given_to_another_tenant() {
    assert!(find(Leak::Misroutes).is_err());
}

#[test]
fn finds_a_word_to_a_tenant_that_said_nothing() {
    let found = find(Leak::Gossips).unwrap_err().to_string();
    assert!(found.contains("bystander"), "{found}");
}

#[test]
fn a_machine_for_each_tenant_repairs_a_shared_counter_and_a_shared_buffer() {
    for leak in [Leak::SharedCounter, Leak::SharedBuffer, Leak::SharedTimer] {
        let make = || PerTenant::new(move |_: &TenantId| Relay::new(leak));
        let script: Vec<_> = script().into_iter().map(|(at, step)| (at, routed(step))).collect();
        assert_noninterference(make, |(tenant, _)| tenant.clone(), &script);
    }
}

fn routed(step: Step<(TenantId, u32)>) -> Step<(TenantId, (TenantId, u32))> {
    match step {
        Step::Input((tenant, body)) => Step::Input((tenant.clone(), (tenant, body))),
        Step::Timeout => Step::Timeout,
    }
}

#[test]
fn finds_what_machines_share_behind_their_backs() {
    let shared = std::cell::Cell::new(0);
    let make = || {
        shared.set(0);
        PerTenant::new(|_: &TenantId| {
            shared.set(shared.get() + 1);
            // The second tenant gets a machine of another kind.
            Relay::new(if shared.get() == 2 { Leak::SharedTimer } else { Leak::None })
        })
    };
    let script = [
        (Now::from_millis(0, 0), Step::Input((tenant("a"), (tenant("a"), 1)))),
        (Now::from_millis(1, 0), Step::Input((tenant("b"), (tenant("b"), 1)))),
        (Now::from_millis(2, 0), Step::Input((tenant("b"), (tenant("b2"), 1)))),
        (Now::from_millis(99, 0), Step::Timeout),
    ];
    let view = |at: Now, said: &Said| (at, said.clone());
    assert!(check(make, |(t, _)| t.clone(), view, &script).is_err());
}

#[test]
fn the_panic_shows_both_traces_around_the_difference() {
    let leaky = || {
        let make = || Relay::new(Leak::SharedCounter);
        assert_noninterference(make, |(t, _)| t.clone(), &script());
    };
    let caught = catch_unwind(AssertUnwindSafe(leaky)).expect_err("a leak passed");
    let text = caught.downcast_ref::<String>().unwrap();
    for part in ["a's effect #4", "with the others:", "alone:", "> #4", "Relayed(a, 5, 100)"] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

#[test]
fn a_machine_that_spins_is_stopped() {
    struct Spinner;
    impl Machine for Spinner {
        type Input = TenantId;
        type Effect = Said;
        fn handle_input(&mut self, _: TenantId, _: Now, _: &mut Vec<Said>) {}
        fn handle_timeout(&mut self, _: Now, _: &mut Vec<Said>) {}
        fn poll_timeout(&self) -> Option<Now> {
            Some(Now::default())
        }
    }
    let spin =
        || assert_noninterference(|| Spinner, Clone::clone, &[(Now::default(), Step::Timeout)]);
    assert!(catch_unwind(spin).is_err());
}
