//! The event that costs the most for its size: arrays of equal items under every path of a rule.
//!
//! Engines that try each item of one array with each of the next take items to the power of arrays
//! steps: 8,000,000 for 1.2 KB. An engine that looks at each item once takes their sum.

/// An event of arrays of equal items, and the rule that names them all and matches it.
#[derive(Debug, Clone, Copy)]
pub struct Worst {
    /// How many arrays the event has and the rule names.
    pub arrays: usize,
    /// How many items each has.
    pub items: usize,
}

impl Worst {
    /// The one that is measured: 1.2 KB.
    pub const MEASURED: Self = Self { arrays: 3, items: 200 };

    /// The event.
    #[must_use]
    pub fn event(&self) -> Vec<u8> {
        let items = vec!["1"; self.items].join(",");
        let array = |nth| format!(r#","a{nth}":[{items}]"#);
        let arrays: String = (0..self.arrays).map(array).collect();
        format!(r#"{{"eventType":"telephony.call"{arrays}}}"#).into_bytes()
    }

    /// The rule as a subscription document.
    #[must_use]
    pub fn document(&self) -> Vec<u8> {
        let filters: Vec<String> = (0..self.arrays).map(|nth| format!(r#""a{nth}":1"#)).collect();
        let filters = filters.join(",");
        format!(
            concat!(
                r#"{{"tenantId":"acme","subscriptions":[{{"eventType":"telephony.call","#,
                r#""filters":{{{}}},"targetQueue":"queue://lane-0"}}]}}"#,
            ),
            filters,
        )
        .into_bytes()
    }

    /// The rule as a pattern of Quamina, with its route.
    #[must_use]
    pub fn patterns(&self) -> Vec<(u32, String)> {
        let fields: String = (0..self.arrays).map(|nth| format!(r#","a{nth}":[1]"#)).collect();
        vec![(0, format!(r#"{{"eventType":["telephony.call"]{fields}}}"#))]
    }
}
