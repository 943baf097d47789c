//! Collects rules, and files each under what the fewest others ask for.

use std::{collections::BTreeMap, sync::Arc};

use cofferdam_core::{TenantId, pipeline::RouteId};

use crate::{
    compile::{CompileError, CompileFault, Compiler, at},
    document::Subscription,
    event_type::{PatternId, TypeTrie},
    graph::{FilterGraph, Shape},
    interner::{Class, Interner, Kind},
    layer::Layer,
    mapping::Mapping,
    organisation::Organisation,
    path::{Field, Path, PathTree, Place},
    pattern::{
        condition::Condition,
        field_tests::FieldTests,
        scopes::{Absence, Missing, Scoped},
    },
    rules::{Lists, Posting, ResidueBuilder, Residues},
    translate::{AnyOf, Numbers, Rule, Translator},
};

pub(crate) struct Build<'m> {
    max_values: usize,
    max_steps: usize,
    mapping: &'m Mapping,
    numbers: Building,
    targets: Vec<String>,
    /// By target: its number.
    routes: BTreeMap<String, RouteId>,
    typed: Vec<Typed>,
    /// The patterns of whole events.
    roots: Vec<Conjunction>,
    rule_count: usize,
}

/// The numbers that were given so far.
struct Building {
    shape: Shape,
    interner: Interner,
    types: TypeTrie,
    /// The patterns of objects in events, each once.
    inner: Vec<Conjunction>,
    tests: Vec<Option<Box<FieldTests>>>,
    absences: Vec<Vec<Absence>>,
    /// Classes that most values and objects have, and that it does not help to file a rule under.
    common: Vec<Class>,
}

struct Typed {
    patterns: Box<[PatternId]>,
    conditions: Box<[AnyOf]>,
    route: RouteId,
}

/// What follows if all conditions hold in one object.
struct Conjunction {
    conditions: Box<[AnyOf]>,
    then: u32,
}

impl<'m> Build<'m> {
    pub(crate) fn new(
        compiler: &Compiler,
        mapping: &'m Mapping,
        organisation: Option<&str>,
    ) -> Result<Self, CompileError> {
        let full = || at("", CompileFault::TooManyValues);
        let mut paths = PathTree::new();
        let mut watch = |list: &[Path]| {
            list.iter()
                .map(|path| paths.watch(path).ok_or_else(full))
                .collect::<Result<Vec<_>, _>>()
        };
        let type_fields = watch(&mapping.event_type)?;
        let organisation_fields = watch(&mapping.organisation)?;
        let shape = Shape {
            paths,
            type_fields,
            segments: Vec::new(),
            organisation: organisation_fields,
            own_organisation: organisation.map(Organisation::new),
        };
        Ok(Self {
            max_values: compiler.max_values,
            max_steps: compiler.max_steps,
            mapping,
            numbers: Building {
                shape,
                interner: Interner::new(compiler.hash_key),
                types: TypeTrie::new(),
                inner: Vec::new(),
                tests: Vec::new(),
                absences: Vec::new(),
                common: Vec::new(),
            },
            targets: Vec::new(),
            routes: BTreeMap::new(),
            typed: Vec::new(),
            roots: Vec::new(),
            rule_count: 0,
        })
    }

    /// Adds a rule. `pointer` is where it stands; of a mistake it becomes where that stands.
    pub(crate) fn add(
        &mut self,
        subscription: &Subscription,
        pointer: &mut String,
    ) -> Result<(), CompileFault> {
        let here = pointer.len();
        let mut translator = Translator { mapping: self.mapping, numbers: &mut self.numbers };
        let rule = translator.rule(subscription, pointer)?;
        pointer.truncate(here);
        pointer.push_str("/targetQueue");
        let route = self.target(&subscription.target_queue).ok_or(CompileFault::InvalidTarget)?;
        pointer.truncate(here);
        if self.numbers.interner.len() > self.max_values {
            return Err(CompileFault::TooManyValues);
        }
        self.rule_count += 1;
        match rule {
            Rule::Typed { patterns, conditions } => {
                self.typed.push(Typed { patterns, conditions, route });
            }
            Rule::Pattern(terms) => {
                let then = route.0;
                let terms = terms.into_iter();
                self.roots.extend(terms.map(|conditions| Conjunction { conditions, then }));
            }
        }
        Ok(())
    }

    fn target(&mut self, target: &str) -> Option<RouteId> {
        let (scheme, rest) = target.split_once("://")?;
        let scheme_is_sound = scheme.starts_with(|c: char| c.is_ascii_lowercase())
            && scheme.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '+' | '-' | '.'));
        if !scheme_is_sound || rest.is_empty() || rest.chars().any(|c| c.is_control() || c == ' ') {
            return None;
        }
        if let Some(route) = self.routes.get(target) {
            return Some(*route);
        }
        let route = RouteId(u32::try_from(self.targets.len()).ok()?);
        self.targets.push(String::from(target));
        self.routes.insert(String::from(target), route);
        Some(route)
    }

    pub(crate) fn finish(mut self, tenant: TenantId) -> Result<FilterGraph, CompileFault> {
        let (residues, by_pattern, by_class) =
            self.file_typed().ok_or(CompileFault::TooManyRules)?;
        let scoped = if self.roots.is_empty() { None } else { Some(self.scoped()?) };
        let Building { shape, interner, types, .. } = self.numbers;
        let layer = Layer { interner, types, residues, by_pattern, by_class, scoped };
        Ok(FilterGraph {
            tenant,
            targets: self.targets,
            shape: Arc::new(shape),
            layer: Arc::new(layer),
            rule_count: self.rule_count,
        })
    }

    /// Files each rule under its types or under the values of one condition, whichever's most
    /// popular member the fewest rules name.
    fn file_typed(&self) -> Option<(Residues, Lists, Lists)> {
        let mut types = vec![0u32; self.numbers.types.len()];
        let mut values = vec![0u32; self.numbers.interner.len()];
        for rule in &self.typed {
            rule.patterns.iter().for_each(|pattern| types[pattern.0 as usize] += 1);
            rule.conditions.iter().flatten().for_each(|class| values[class.0 as usize] += 1);
        }
        let crowd = |any_of: &AnyOf| any_of.iter().map(|c| values[c.0 as usize]).max();
        let mut residues = ResidueBuilder::default();
        let (mut by_pattern, mut by_class) = (Vec::new(), Vec::new());
        for rule in &self.typed {
            let best = rule.conditions.iter().enumerate();
            let best = best.min_by_key(|(_, any_of)| (crowd(any_of), any_of.len()));
            let by_type = rule.patterns.iter().map(|p| types[p.0 as usize]).max();
            let then = rule.route.0;
            if let Some((own, any_of)) = best.filter(|(_, any_of)| crowd(any_of) < by_type) {
                let residue = residues.add(&rule.patterns, others(&rule.conditions, own))?;
                by_class.extend(any_of.iter().map(|c| (c.0, Posting { residue, then })));
            } else {
                let residue = residues.add(&[], rule.conditions.iter())?;
                by_pattern.extend(rule.patterns.iter().map(|p| (p.0, Posting { residue, then })));
            }
        }
        let by_pattern = Lists::new(types.len(), by_pattern);
        Some((residues.finish(), by_pattern, Lists::new(values.len(), by_class)))
    }

    /// The event patterns, if no value can cost too much.
    fn scoped(&mut self) -> Result<Scoped, CompileFault> {
        let numbers = &mut self.numbers;
        for tests in numbers.tests.iter_mut().flatten() {
            tests.finish();
            if tests.steps() > self.max_steps {
                return Err(CompileFault::TooCostly);
            }
        }
        numbers.common.sort_unstable();
        let (residues, inner, roots) = self.file_patterns().ok_or(CompileFault::TooManyRules)?;
        // A whole event is judged once, an object in it as often as there are such objects.
        if inner.longest() > self.max_steps {
            return Err(CompileFault::TooCostly);
        }
        let Building { tests, absences, .. } = &mut self.numbers;
        Ok(Scoped {
            residues,
            inner,
            roots,
            tests: core::mem::take(tests),
            absences: core::mem::take(absences),
        })
    }

    /// Files each pattern under one of its conditions, as [`file_typed`](Self::file_typed) does, but
    /// under what most values fulfil only if many ask for everything else.
    fn file_patterns(&self) -> Option<(Residues, Lists, Lists)> {
        let Building { inner, common, interner, .. } = &self.numbers;
        let mut asked = vec![0u32; interner.len()];
        for class in inner.iter().chain(&self.roots).flat_map(|one| one.conditions.iter()).flatten()
        {
            asked[class.0 as usize] += 1;
        }
        const COMMON: u32 = 64;
        let crowd = |class: &Class| {
            let factor = if common.binary_search(class).is_ok() { COMMON } else { 1 };
            asked[class.0 as usize].saturating_mul(factor)
        };
        let mut residues = ResidueBuilder::default();
        let mut file = |conjunctions: &[Conjunction]| {
            let mut filed = Vec::with_capacity(conjunctions.len());
            for Conjunction { conditions, then } in conjunctions {
                let best = conditions
                    .iter()
                    .enumerate()
                    .min_by_key(|(_, any_of)| (any_of.iter().map(crowd).max(), any_of.len()));
                let (own, any_of) = best?;
                let residue = residues.add(&[], others(conditions, own))?;
                let posting = Posting { residue, then: *then };
                filed.extend(any_of.iter().map(|class| (class.0, posting)));
            }
            Some(Lists::new(asked.len(), filed))
        };
        let (inner, roots) = (file(inner)?, file(&self.roots)?);
        Some((residues.finish(), inner, roots))
    }
}

/// All conditions but this one.
fn others(conditions: &[AnyOf], own: usize) -> impl Iterator<Item = &AnyOf> {
    conditions.iter().enumerate().filter(move |(index, _)| *index != own).map(|(_, any_of)| any_of)
}

impl Building {
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

/// What stands for all fields where a key names its place itself.
const NO_FIELD: Field = Field(u16::MAX);

impl Numbers for Building {
    fn field(&mut self, path: &Path) -> Option<Field> {
        self.shape.paths.watch(path)
    }

    fn segment(&mut self, index: u16) -> Option<Field> {
        if let Some(&(_, field)) = self.shape.segments.iter().find(|(known, _)| *known == index) {
            return Some(field);
        }
        let field = self.shape.paths.new_field()?;
        self.shape.segments.push((index, field));
        Some(field)
    }

    fn event_type(&mut self, pattern: &str) -> Option<Result<PatternId, CompileFault>> {
        Some(self.types.insert(pattern).map_err(|_| CompileFault::InvalidEventType))
    }

    fn class(&mut self, field: Field, kind: Kind, bytes: &[u8]) -> Option<Class> {
        self.interner.intern(field, kind, bytes)
    }

    fn step(&mut self, place: Place, name: &str) -> Option<Place> {
        self.shape.paths.step(place, name)
    }

    fn field_of(&mut self, place: Place) -> Option<Field> {
        self.shape.paths.watch_place(place)
    }

    fn condition(&mut self, field: Field, text: &str, condition: Condition) -> Option<Class> {
        let (class, is_new) = self.class_of(field, Kind::Condition, text.as_bytes())?;
        if is_new {
            if matches!(condition, Condition::Exists | Condition::Within(_)) {
                self.common.push(class);
            }
            self.tests(field).add(condition, class);
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
        let mut key = child.index().to_le_bytes().to_vec();
        key.push(of as u8);
        let (class, is_new) = self.class_of(NO_FIELD, Kind::Absence, &key)?;
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
        let mut key = place.index().to_le_bytes().to_vec();
        for any_of in &conditions {
            key.extend((any_of.len() as u64).to_le_bytes());
            key.extend(any_of.iter().flat_map(|class| class.0.to_le_bytes()));
        }
        let (class, is_new) = self.class_of(NO_FIELD, Kind::Pattern, &key)?;
        if is_new {
            self.inner.push(Conjunction { conditions, then: class.0 });
        }
        Some(class)
    }
}
