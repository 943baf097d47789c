//! Explanations held against the graph.
#![expect(clippy::expect_used, reason = "a part of fuzz bodies, which are made of assertions")]

use cofferdam_filter::{Explanation, Mapping, Subscription, explain};

/// Explains why one of the subscriptions wants `event` or does not: of subscription `n` the route is `n`.
/// Reading a subscription costs more than judging by it, so which one it is depends on the event.
///
/// `routes` are those of the graph; `None` if the check refuses the event.
///
/// # Panics
///
/// If the explanation says otherwise, or does not say why.
pub(super) fn explained(
    subscriptions: &[Subscription],
    mapping: &Mapping,
    event: &[u8],
    routes: Option<&[u32]>,
) {
    let sum: usize = event.iter().map(|byte| usize::from(*byte)).sum();
    let Some(index) = sum.checked_rem(subscriptions.len()) else { return };
    let subscription = &subscriptions[index];
    let explanation = explain(subscription, mapping, None, event)
        .expect("what compiles can be explained on so small an event");
    let shown = String::from_utf8_lossy(event);
    let expected = routes.is_some_and(|routes| routes.contains(&(index as u32)));
    assert_eq!(explanation.matches(), expected, "{subscription:?} on {shown}: {explanation}");
    assert_eq!(explanation.reason().is_some(), routes.is_none(), "{explanation} on {shown}");
    if routes.is_some() {
        says_why(&explanation, event);
    }
}

/// All conditions hold, or one fails; and where a value is said to stand, one does.
fn says_why(explanation: &Explanation, event: &[u8]) {
    let findings = explanation.findings();
    assert_eq!(findings.iter().all(|finding| finding.holds()), explanation.matches());
    assert!(!findings.is_empty(), "a subscription asks for something");
    for location in findings.iter().flat_map(|finding| finding.locations()) {
        let first = event.get(location.offset).copied();
        let is_scalar = first.is_some_and(|first| b"\"-0123456789tfn".contains(&first));
        assert!(is_scalar, "no value begins at {location}");
    }
}
