//! A document that is compiled while it is read.
//!
//! Held whole, a rule of two hundred bytes is a dozen pieces of memory and a kilobyte or more. A million of them
//! take a gigabyte, which is asked for, filled once and given back. Read one by one, each is compiled and
//! forgotten before the next, and the same few pieces are used for all.

use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor},
};

use crate::{
    compile::{CompileError, Compiler, Reading},
    document::{Document, InvalidDocument, Subscription, read_with},
    graph::FilterGraph,
    mapping::Mapping,
};

/// What is wrong with a document that is read and compiled at once.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileJsonError {
    /// It is none.
    #[error(transparent)]
    Document(#[from] InvalidDocument),
    /// It says something that cannot be compiled.
    #[error(transparent)]
    Compile(#[from] CompileError),
}

impl Compiler {
    /// Reads a subscription document of up to `max_bytes` as [`parse_up_to`] does and compiles it as
    /// [`compile`](Self::compile) does, without ever holding more than one of its subscriptions.
    ///
    /// # Errors
    ///
    /// What either of the two refuses. Of a document with several mistakes it is not said which comes first.
    ///
    /// [`parse_up_to`]: crate::SubscriptionDocument::parse_up_to
    pub fn compile_json(
        &self,
        json: &[u8],
        max_bytes: usize,
        mapping: &Mapping,
        organisation: Option<&str>,
    ) -> Result<FilterGraph, CompileJsonError> {
        let mut reading = Reading::new(self, mapping, organisation)?;
        let mut refused = None;
        let read = read_with(json, max_bytes, |deserializer| {
            let each = &mut |subscription: &Subscription| reading.add(subscription);
            let members = Members { each, refused: &mut refused };
            deserializer.deserialize_map(members)
        });
        // That serde ended early says less than why.
        if let Some(refused) = refused {
            return Err(refused.into());
        }
        Ok(reading.finish(&read?.tenant_id)?.graph)
    }
}

/// What is left of a document once its subscriptions were compiled.
struct Rest {
    tenant_id: String,
    has_numbers: bool,
}

impl Document for Rest {
    fn has_numbers(&self) -> bool {
        self.has_numbers
    }
}

/// The members of a document.
struct Members<'r, F> {
    each: &'r mut F,
    refused: &'r mut Option<CompileError>,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Name {
    TenantId,
    Subscriptions,
}

impl<'de, F> Visitor<'de> for Members<'_, F>
where
    F: FnMut(&Subscription) -> Result<(), CompileError>,
{
    type Value = Rest;

    fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("a subscription document")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Rest, A::Error> {
        let (mut tenant_id, mut has_numbers) = (None, None);
        let Self { each, refused } = self;
        while let Some(name) = members.next_key()? {
            match name {
                Name::TenantId => tenant_id = Some(members.next_value()?),
                Name::Subscriptions => {
                    let each = Each { each, refused };
                    has_numbers = Some(members.next_value_seed(each)?);
                }
            }
        }
        let missing = de::Error::missing_field;
        Ok(Rest {
            tenant_id: tenant_id.ok_or_else(|| missing("tenantId"))?,
            has_numbers: has_numbers.ok_or_else(|| missing("subscriptions"))?,
        })
    }
}

/// The list of subscriptions; whether there are numbers in them.
struct Each<'r, F> {
    each: &'r mut F,
    refused: &'r mut Option<CompileError>,
}

impl<'de, F> DeserializeSeed<'de> for Each<'_, F>
where
    F: FnMut(&Subscription) -> Result<(), CompileError>,
{
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, F> Visitor<'de> for Each<'_, F>
where
    F: FnMut(&Subscription) -> Result<(), CompileError>,
{
    type Value = bool;

    fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("a list of subscriptions")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<bool, A::Error> {
        let mut has_numbers = false;
        while let Some(subscription) = list.next_element::<Subscription>()? {
            has_numbers |= subscription.has_numbers();
            (self.each)(&subscription).map_err(|refused| {
                *self.refused = Some(refused);
                de::Error::custom("a rule was refused")
            })?;
        }
        Ok(has_numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CompileFault, SubscriptionDocument};

    fn at_once(json: &[u8]) -> Result<FilterGraph, CompileJsonError> {
        Compiler::new([1; 16]).with_max_rules(3).compile_json(
            json,
            400,
            &Mapping::generic(&["type"]),
            None,
        )
    }

    fn rules(filters: &str, count: usize) -> Vec<u8> {
        let rule = format!(r#"{{"eventType":"t","filters":{filters},"targetQueue":"queue://q"}}"#);
        let rules = vec![rule; count].join(",");
        format!(r#"{{"subscriptions":[{rules}],"tenantId":"acme"}}"#).into_bytes()
    }

    /// What is no document, or not exactly the one that was meant (F09), is refused as it is by the two steps.
    #[test]
    fn refuses_what_is_no_document() {
        let ok = rules(r#"{"a":[1,"x"]}"#, 2);
        assert_eq!(at_once(&ok).unwrap().rule_count(), 2);
        let text = String::from_utf8(ok.clone()).unwrap();
        for (part, other) in [
            ("acme\"", "acme\",\"x\":1"),
            ("acme\"", "acme\",\"tenant\\u0049d\":\"b\""),
            (",\"tenantId\":\"acme\"", ""),
            ("\"subscriptions\":", "\"subscription\":"),
            ("\"subscriptions\":", "\"subscriptions\":0,\"x\":"),
            ("filters", "filter"),
            ("[1,", "[100000000000000000000001,"),
            ("[1,", "[1e-400,"),
            ("[1,", "[0.1000000000000000000001,"),
            ("[1,", "[01,"),
        ] {
            let json = text.replace(part, other);
            assert_ne!(json, text, "{part}");
            let refused = at_once(json.as_bytes());
            assert!(matches!(refused, Err(CompileJsonError::Document(_))), "{json}");
            assert!(SubscriptionDocument::parse(json.as_bytes()).is_err(), "{json}");
        }
        for end in [" x", "{}", "\0", &" ".repeat(400)] {
            assert!(at_once(format!("{text}{end}").as_bytes()).is_err(), "{end:?}");
            assert!(at_once(&ok[..ok.len() - 1]).is_err());
        }
    }

    #[test]
    fn says_where_what_cannot_be_compiled_stands() {
        for (json, pointer, fault) in [
            (rules("{}", 4), "/subscriptions", CompileFault::TooManyRules),
            (rules(r#"{"a":[]}"#, 2), "/subscriptions/0/filters/a", CompileFault::EmptyList),
            (rules(r#"{"a":[]} "#, 4), "/subscriptions/0/filters/a", CompileFault::EmptyList),
            (
                br#"{"tenantId":"A","subscriptions":[]}"#.to_vec(),
                "/tenantId",
                CompileFault::InvalidTenant,
            ),
        ] {
            let Err(CompileJsonError::Compile(error)) = at_once(&json) else { panic!("{pointer}") };
            assert_eq!((error.pointer(), error.fault()), (pointer, fault));
        }
    }
}
