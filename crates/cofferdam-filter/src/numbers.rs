//! Numbers for the parts of rules: new ones, and those that were given before.

use std::sync::Arc;

use crate::{
    compile::{CompileError, CompileFault, Compiler, at},
    event_type::{PatternId, TypeTrie},
    filing::{Conjunction, parts},
    graph::Shape,
    interner::{Class, Interner, Kind},
    layer::Filed,
    mapping::Mapping,
    organisation::Organisation,
    path::{Field, Path, PathTree, Place},
    pattern::{
        condition::Condition,
        field_tests::FieldTests,
        scopes::{Absence, Missing},
    },
    translate::{AnyOf, Numbers},
};

/// The numbers that were given so far.
#[derive(Debug, Clone)]
pub(crate) struct Building {
    /// Shared with the graphs so far, until something new is watched.
    pub(crate) shape: Arc<Shape>,
    pub(crate) interner: Interner,
    pub(crate) types: TypeTrie,
    /// The patterns of objects in events, each once.
    pub(crate) inner: Vec<Conjunction>,
    /// How many classes those name together.
    pub(crate) parts: usize,
    pub(crate) tests: Vec<Option<Box<FieldTests>>>,
    pub(crate) absences: Vec<Vec<Absence>>,
    /// Classes that most values and objects have, and that it does not help to file a rule under.
    pub(crate) common: Vec<Class>,
}

/// The numbers that a layer was given, to find its rules by.
pub(crate) struct Known<'k> {
    pub(crate) shape: &'k Shape,
    pub(crate) filed: &'k Filed,
}

impl Building {
    /// Nothing yet but what every rule of the mapping needs.
    pub(crate) fn new(
        compiler: &Compiler,
        mapping: &Mapping,
        organisation: Option<&str>,
    ) -> Result<Self, CompileError> {
        let full = || at("", CompileFault::TooManyValues);
        let mut paths = PathTree::new();
        let mut watch = |list: &[Path]| {
            list.iter()
                .map(|path| paths.watch(path).ok_or_else(full))
                .collect::<Result<Vec<_>, _>>()
        };
        let (type_fields, organisation_fields) =
            (watch(&mapping.event_type)?, watch(&mapping.organisation)?);
        let shape = Shape {
            paths,
            type_fields,
            segments: Vec::new(),
            organisation: organisation_fields,
            own_organisation: organisation.map(Organisation::new),
        };
        Ok(Self::over(compiler, Arc::new(shape)))
    }

    /// Nothing yet, over a shape that others use too.
    pub(crate) fn over(compiler: &Compiler, shape: Arc<Shape>) -> Self {
        Self {
            shape,
            interner: Interner::new(compiler.hash_key),
            types: TypeTrie::new(),
            inner: Vec::new(),
            parts: 0,
            tests: Vec::new(),
            absences: Vec::new(),
            common: Vec::new(),
        }
    }

    /// The shape while it must be copied to be added to: what is known in it should be found in it.
    fn shared(&self) -> Option<&Shape> {
        (Arc::strong_count(&self.shape) > 1).then_some(&*self.shape)
    }

    fn tests(&mut self, field: Field) -> &mut FieldTests {
        let index = usize::from(field.0);
        if self.tests.len() <= index {
            self.tests.resize_with(index + 1, || None);
        }
        self.tests[index].get_or_insert_default()
    }

    /// The class of what is no value, and whether it is a new one.
    fn class_of(&mut self, field: Field, kind: Kind, bytes: &[u8]) -> Option<(Class, bool)> {
        let known = self.interner.len();
        let class = self.interner.intern(field, kind, bytes)?;
        Some((class, self.interner.len() > known))
    }
}

impl Numbers for Building {
    fn field(&mut self, path: &Path) -> Option<Field> {
        let known = self.shared().and_then(|shape| shape.field(path));
        known.or_else(|| Arc::make_mut(&mut self.shape).paths.watch(path))
    }

    fn segment(&mut self, index: u16) -> Option<Field> {
        if let Some(&(_, field)) = self.shape.segments.iter().find(|(known, _)| *known == index) {
            return Some(field);
        }
        let shape = Arc::make_mut(&mut self.shape);
        let field = shape.paths.new_field()?;
        shape.segments.push((index, field));
        Some(field)
    }

    fn event_type(&mut self, pattern: &str) -> Option<Result<PatternId, CompileFault>> {
        Some(self.types.insert(pattern).map_err(|_| CompileFault::InvalidEventType))
    }

    fn class(&mut self, field: Field, kind: Kind, bytes: &[u8]) -> Option<Class> {
        self.interner.intern(field, kind, bytes)
    }

    fn step(&mut self, place: Place, name: &str) -> Option<Place> {
        let known = self.shared().and_then(|shape| shape.paths.child(place, name.as_bytes()));
        known.or_else(|| Arc::make_mut(&mut self.shape).paths.step(place, name))
    }

    fn field_of(&mut self, place: Place) -> Option<Field> {
        let known = self.shared().and_then(|shape| shape.paths.field(place));
        known.or_else(|| Arc::make_mut(&mut self.shape).paths.watch_place(place))
    }

    fn condition(&mut self, field: Field, text: &str, condition: &Condition) -> Option<Class> {
        let (class, is_new) = self.class_of(field, Kind::Condition, text.as_bytes())?;
        if is_new {
            if matches!(condition, Condition::Exists | Condition::Within(_)) {
                self.common.push(class);
            }
            self.tests(field).add(condition.clone(), class);
        }
        Some(class)
    }

    fn exclusion(&mut self, field: Field, text: &str, classes: &[Class]) -> Option<Class> {
        let (class, is_new) = self.class_of(field, Kind::Condition, text.as_bytes())?;
        if is_new {
            self.common.push(class);
            self.tests(field).add_exclusion(classes, class);
        }
        Some(class)
    }

    fn absence(&mut self, parent: Place, child: Place, of: Missing) -> Option<Class> {
        let (class, is_new) = self.class_of(NO_FIELD, Kind::Absence, &absence(child, of))?;
        if is_new {
            self.common.push(class);
            if self.absences.len() <= parent.index() {
                self.absences.resize_with(parent.index() + 1, Vec::new);
            }
            self.absences[parent.index()].push(Absence { child, of, class });
        }
        Some(class)
    }

    fn pattern(&mut self, place: Place, conditions: Box<[AnyOf]>) -> Option<Class> {
        let (class, is_new) =
            self.class_of(NO_FIELD, Kind::Pattern, &pattern(place, &conditions))?;
        if is_new {
            self.parts += parts(&conditions);
            self.inner.push(Conjunction { conditions, then: class.0 });
        }
        Some(class)
    }
}

impl Numbers for Known<'_> {
    fn field(&mut self, path: &Path) -> Option<Field> {
        self.shape.field(path)
    }

    fn segment(&mut self, index: u16) -> Option<Field> {
        let mut segments = self.shape.segments.iter();
        segments.find(|(known, _)| *known == index).map(|(_, field)| *field)
    }

    fn event_type(&mut self, pattern: &str) -> Option<Result<PatternId, CompileFault>> {
        self.filed.types.get(pattern).map(Ok)
    }

    fn class(&mut self, field: Field, kind: Kind, bytes: &[u8]) -> Option<Class> {
        self.filed.interner.get(field, kind, bytes)
    }

    fn step(&mut self, place: Place, name: &str) -> Option<Place> {
        self.shape.paths.child(place, name.as_bytes())
    }

    fn field_of(&mut self, place: Place) -> Option<Field> {
        self.shape.paths.field(place)
    }

    fn condition(&mut self, field: Field, text: &str, _: &Condition) -> Option<Class> {
        self.filed.interner.get(field, Kind::Condition, text.as_bytes())
    }

    fn exclusion(&mut self, field: Field, text: &str, _: &[Class]) -> Option<Class> {
        self.filed.interner.get(field, Kind::Condition, text.as_bytes())
    }

    fn absence(&mut self, _: Place, child: Place, of: Missing) -> Option<Class> {
        self.filed.interner.get(NO_FIELD, Kind::Absence, &absence(child, of))
    }

    fn pattern(&mut self, place: Place, conditions: Box<[AnyOf]>) -> Option<Class> {
        self.filed.interner.get(NO_FIELD, Kind::Pattern, &pattern(place, &conditions))
    }
}

/// The field of what is known by a place.
const NO_FIELD: Field = Field(u16::MAX);

/// The place that the key of an absence or of a pattern begins with, and the rest of the key.
pub(crate) fn place_of(key: &[u8]) -> Option<(usize, &[u8])> {
    let (place, rest) = key.split_first_chunk()?;
    Some((usize::try_from(u64::from_le_bytes(*place)).ok()?, rest))
}

fn absence(child: Place, of: Missing) -> [u8; 9] {
    let mut key = [of as u8; 9];
    key[..8].copy_from_slice(&(child.index() as u64).to_le_bytes());
    key
}

fn pattern(place: Place, conditions: &[AnyOf]) -> Vec<u8> {
    let mut key = (place.index() as u64).to_le_bytes().to_vec();
    for any_of in conditions {
        key.extend((any_of.len() as u64).to_le_bytes());
        key.extend(any_of.iter().flat_map(|class| class.0.to_le_bytes()));
    }
    key
}
