//! From one subscription to what it asks of an event, in numbers.
//!
//! Both front ends end here: event types with the values of keys, and event patterns. The numbers come
//! from a [`Numbers`]: it gives new ones when a rule is added, and only those that it knows when
//! a rule is looked for in order to take it out. So a rule is found by being read a second time.

use serde_json::{Map, Value};

use crate::{
    compile::{CompileFault, scalar},
    document::Subscription,
    event_type::PatternId,
    interner::{Class, Kind},
    mapping::{Mapping, Scalar, Segment, Source},
    path::{Field, Path, Place},
    pattern::{
        condition::Condition,
        scopes::Missing,
        syntax::{Asked, ObjectPattern},
    },
};

/// Classes of which one must be seen, in order.
pub(crate) type AnyOf = Box<[Class]>;

/// What a subscription asks.
#[derive(Debug, Clone)]
pub(crate) enum Rule {
    /// A type that fits one of the patterns, and all of the conditions, by whatever values of the event.
    Typed { patterns: Box<[PatternId]>, conditions: Box<[AnyOf]> },
    /// All conditions of one of these, by the event's own members.
    Pattern(Box<[Box<[AnyOf]>]>),
}

/// Gives the parts of rules their numbers. `None`: there are too many, or the part is not known.
pub(crate) trait Numbers {
    fn field(&mut self, path: &Path) -> Option<Field>;
    fn segment(&mut self, index: u16) -> Option<Field>;
    fn event_type(&mut self, pattern: &str) -> Option<Result<PatternId, CompileFault>>;
    fn class(&mut self, field: Field, kind: Kind, bytes: &[u8]) -> Option<Class>;

    fn step(&mut self, place: Place, name: &str) -> Option<Place>;
    fn field_of(&mut self, place: Place) -> Option<Field>;
    fn condition(&mut self, field: Field, text: &str, condition: &Condition) -> Option<Class>;
    /// Anything but what fulfils one of `classes`.
    fn exclusion(&mut self, field: Field, text: &str, classes: &[Class]) -> Option<Class>;
    fn absence(&mut self, parent: Place, child: Place, of: Missing) -> Option<Class>;
    /// A pattern for the objects of a place.
    fn pattern(&mut self, place: Place, conditions: Box<[AnyOf]>) -> Option<Class>;
}

/// Reads subscriptions.
pub(crate) struct Translator<'t, N> {
    pub(crate) mapping: &'t Mapping,
    pub(crate) numbers: &'t mut N,
}

impl<N: Numbers> Translator<'_, N> {
    /// Reads a subscription. `pointer` is where it stands; of a mistake it becomes where that stands.
    pub(crate) fn rule(
        &mut self,
        subscription: &Subscription,
        pointer: &mut String,
    ) -> Result<Rule, CompileFault> {
        match (&subscription.event_type, &subscription.event_pattern) {
            (Some(event_type), None) => self.typed(event_type, subscription, pointer),
            (None, Some(pattern)) if subscription.filters.is_empty() => {
                pointer.push_str("/eventPattern");
                self.pattern(pattern, pointer)
            }
            (None, Some(_)) => Err(CompileFault::FiltersBesidePattern),
            _ => Err(CompileFault::EitherTypeOrPattern),
        }
    }

    fn typed(
        &mut self,
        event_type: &str,
        subscription: &Subscription,
        pointer: &mut String,
    ) -> Result<Rule, CompileFault> {
        let here = pointer.len();
        pointer.push_str("/eventType");
        let patterns = self.event_types(event_type)?;
        let mut conditions = Vec::with_capacity(subscription.filters.len());
        pointer.truncate(here);
        for (key, value) in &subscription.filters {
            conditions.push(self.condition(key, value).inspect_err(|_| {
                pointer.push_str("/filters/");
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            })?);
        }
        Ok(Rule::Typed { patterns, conditions: conditions.into() })
    }

    fn event_types(&mut self, event_type: &str) -> Result<Box<[PatternId]>, CompileFault> {
        let mapping = self.mapping;
        let mut number =
            |text: &str| self.numbers.event_type(text).unwrap_or(Err(CompileFault::TooManyValues));
        let Some(texts) = mapping.types.get(event_type) else {
            return number(event_type).map(|pattern| Box::from([pattern]));
        };
        let patterns: Result<Vec<_>, _> = texts.iter().map(|text| number(text)).collect();
        let mut patterns = patterns?;
        patterns.sort_unstable();
        patterns.dedup();
        Ok(patterns.into())
    }

    /// The classes of which an event must show one, under any of the key's places.
    fn condition(&mut self, key: &str, value: &Value) -> Result<AnyOf, CompileFault> {
        let fields = self.fields(key)?;
        let values = match value {
            Value::Array(values) if values.is_empty() => return Err(CompileFault::EmptyList),
            Value::Array(values) => values.as_slice(),
            scalar => core::slice::from_ref(scalar),
        };
        let names = self.mapping.values.get(key);
        let mut classes = Vec::with_capacity(values.len() * fields.len());
        for value in values {
            let named = names.zip(value.as_str()).and_then(|(names, name)| names.get(name));
            let also = named.into_iter().flatten().map(|Scalar(value)| value);
            for value in core::iter::once(value).chain(also) {
                let (kind, bytes) = scalar(value)?;
                for &field in &fields {
                    let class = self.numbers.class(field, kind, &bytes);
                    classes.push(class.ok_or(CompileFault::TooManyValues)?);
                }
            }
        }
        // A mapping may know a key and no place for it.
        if classes.is_empty() { Err(CompileFault::InvalidKey) } else { Ok(any_of(classes)) }
    }

    fn fields(&mut self, key: &str) -> Result<Vec<Field>, CompileFault> {
        let mapping = self.mapping;
        let full = CompileFault::TooManyValues;
        let Some(sources) = mapping.keys.get(key) else {
            if key.split('.').any(str::is_empty) {
                return Err(CompileFault::InvalidKey);
            }
            let path = Path::Dotted(String::from(key));
            return Ok(vec![self.numbers.field(&path).ok_or(full)?]);
        };
        let field = |source: &Source| match source {
            Source::Path(path) => self.numbers.field(path).ok_or(full),
            Source::Segment(Segment { type_segment }) => {
                self.numbers.segment(*type_segment).ok_or(full)
            }
        };
        sources.iter().map(field).collect()
    }

    fn pattern(
        &mut self,
        pattern: &Map<String, Value>,
        pointer: &mut String,
    ) -> Result<Rule, CompileFault> {
        let terms = ObjectPattern::read(pattern, pointer)?;
        let terms = terms.iter().map(|term| self.object(Place::default(), term));
        terms.collect::<Option<_>>().map(Rule::Pattern).ok_or(CompileFault::TooManyValues)
    }

    /// What a pattern asks of an object in `place`. The tree of a pattern is as deep as its document,
    /// which has a bound.
    fn object(&mut self, place: Place, pattern: &ObjectPattern) -> Option<Box<[AnyOf]>> {
        let mut conditions = Vec::new();
        for (name, member) in &pattern.members {
            let child = self.numbers.step(place, name)?;
            for list in &member.lists {
                let field = self.numbers.field_of(child)?;
                let classes: Option<Vec<Class>> =
                    list.iter().map(|asked| self.asked(place, child, field, asked)).collect();
                conditions.push(any_of(classes?));
            }
            if member.objects.is_empty() {
                continue;
            }
            let mut classes = Vec::with_capacity(member.objects.len());
            for object in &member.objects {
                let own = self.object(child, object)?;
                classes.push(self.numbers.pattern(child, own)?);
            }
            if member.objects.iter().any(ObjectPattern::takes_nothing) {
                classes.push(self.numbers.absence(place, child, Missing::Object)?);
            }
            conditions.push(any_of(classes));
        }
        conditions.sort_unstable();
        conditions.dedup();
        Some(conditions.into())
    }

    fn asked(&mut self, parent: Place, child: Place, field: Field, asked: &Asked) -> Option<Class> {
        match asked {
            Asked::Value(kind, bytes) => self.numbers.class(field, *kind, bytes),
            Asked::Condition(text, condition) => self.numbers.condition(field, text, condition),
            Asked::AnythingBut(text, terms) => {
                let classes: Option<Vec<Class>> =
                    terms.iter().map(|term| self.asked(parent, child, field, term)).collect();
                self.numbers.exclusion(field, text, &classes?)
            }
            Asked::Absent => self.numbers.absence(parent, child, Missing::Leaf),
        }
    }
}

fn any_of(mut classes: Vec<Class>) -> AnyOf {
    classes.sort_unstable();
    classes.dedup();
    classes.into()
}
