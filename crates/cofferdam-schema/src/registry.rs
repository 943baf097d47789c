//! Every schema of a process: everybody's shelf, and one for each tenant that has schemas of its own.
//!
//! A tenant's events are judged by its own schema where it has one for their type and version, and
//! otherwise by everybody's. Nothing reaches from one tenant's shelf to another's: a look-up begins at the
//! tenant, so a type or version that only another tenant has does not exist.
//!
//! Event types are looked up in a tree of segments, the literal before the one in braces, so that
//! `v2.users.me.presence` comes before `v2.users.{id}.presence`. Each step down follows one segment of the
//! event's type and no vertex is visited twice, so a look-up is bounded by what is registered.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
    sync::Arc,
};

use cofferdam_core::TenantId;

use crate::{
    compiled::{Compiled, Registration},
    course::{Course, InstallError},
    error::{RegisterError, RegisterFault},
    key::{SchemaKey, is_any},
    policy::{Share, Trust},
};

/// What a registry takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The most steps that one value of an event may take under one schema.
    pub price: u64,
    /// The most schemas on everybody's shelf, and on each tenant's.
    pub schemas: usize,
}

/// A price of 16,384 and 4,096 schemas. The dearest of Genesys Cloud's 75 published topics has a price
/// below 300.
impl Default for Limits {
    fn default() -> Self {
        Self { price: 1 << 14, schemas: 4_096 }
    }
}

/// Schemas by platform, event type and version, compiled once.
///
/// A clone shares all that does not change, so whoever judges events has a registry in hand while the
/// next one is made: clone it, change the clone, and put that in its place (`arc-swap`). An event is judged by
/// the one registry that was in force when it came.
///
/// ```
/// use cofferdam_schema::{Registration, Registry, RegisterFault, SchemaKey};
///
/// let mut registry = Registry::default();
/// let key = SchemaKey::new("webhooks", "order.created", "1")?;
/// registry.register(&Registration::new(key.clone(), br#"{"required":["id"]}"#))?;
/// // A version never changes what it means.
/// let other = registry.register(&Registration::new(key, br#"{"required":["uid"]}"#));
/// assert_eq!(other.unwrap_err().fault(), RegisterFault::AlreadyRegistered);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct Registry {
    limits: Limits,
    shared: Arc<Shelf>,
    tenants: Arc<BTreeMap<TenantId, Arc<Own>>>,
}

/// What is one tenant's alone.
#[derive(Clone, Default)]
struct Own {
    shelf: Shelf,
    /// By which version the tenant's events are judged, where that is not the one that they name.
    courses: BTreeMap<SchemaKey, Arc<Installed>>,
}

#[derive(Clone, Default)]
struct Shelf {
    platforms: BTreeMap<Arc<str>, Vertex>,
    schemas: usize,
}

#[derive(Clone, Default)]
struct Vertex {
    literal: BTreeMap<Box<str>, Self>,
    any: Option<Box<Self>>,
    versions: BTreeMap<Box<str>, Arc<Compiled>>,
}

/// A course with its schemas at hand.
#[derive(Clone)]
pub(crate) struct Installed {
    pub(crate) in_force: Arc<Compiled>,
    pub(crate) canary: Option<(Arc<Compiled>, Share)>,
    pub(crate) trust: Trust,
}

/// What judges an event.
pub(crate) struct Found<'r> {
    /// What is registered for the version that the event names.
    pub(crate) named: &'r Arc<Compiled>,
    pub(crate) course: Option<&'r Installed>,
}

impl Registry {
    /// An empty registry with these limits.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Takes in a schema for everybody's events.
    ///
    /// The same document under the same key again changes nothing.
    ///
    /// # Errors
    ///
    /// [`RegisterError`] with the reason and the place in the document; nothing was registered.
    pub fn register(&mut self, registration: &Registration<'_>) -> Result<(), RegisterError> {
        Arc::make_mut(&mut self.shared).insert(registration, true, &self.limits).map(drop)
    }

    /// Takes in a schema for one tenant's events; it comes before everybody's under the same key. What
    /// was [installed](Self::install) for the tenant and the type is over.
    ///
    /// # Errors
    ///
    /// As [`register`](Self::register).
    pub fn register_for(
        &mut self,
        tenant: &TenantId,
        registration: &Registration<'_>,
    ) -> Result<(), RegisterError> {
        // Compiled first: a refusal makes no tenant known.
        let mut own = self.tenants.get(tenant).map(|own| Own::clone(own)).unwrap_or_default();
        if own.shelf.insert(registration, false, &self.limits)? {
            let key = &registration.key;
            own.courses.retain(|judged, _| {
                judged.platform() != key.platform() || judged.event_type() != key.event_type()
            });
            Arc::make_mut(&mut self.tenants).insert(tenant.clone(), Arc::new(own));
        }
        Ok(())
    }

    /// Forgets all that is one tenant's alone.
    pub fn remove_tenant(&mut self, tenant: &TenantId) {
        if self.tenants.contains_key(tenant) {
            Arc::make_mut(&mut self.tenants).remove(tenant);
        }
    }

    /// Puts a course in force for one tenant's events under `key`: what an [`Effect`](crate::Effect)
    /// asks for.
    ///
    /// # Errors
    ///
    /// [`InstallError`] if the tenant has no schema under the key, or none in a version of the course.
    pub fn install(
        &mut self,
        tenant: &TenantId,
        key: &SchemaKey,
        course: &Course,
    ) -> Result<(), InstallError> {
        self.exactly(tenant, key).ok_or(InstallError::UnknownSchema)?;
        let version = |version: &str| {
            let key = key.with_version(version).map_err(|_| InstallError::UnknownVersion)?;
            self.exactly(tenant, &key).cloned().ok_or(InstallError::UnknownVersion)
        };
        let canary = course.canary().map(|(candidate, share)| Ok((version(candidate)?, share)));
        let installed = Installed {
            in_force: version(course.version())?,
            canary: canary.transpose()?,
            trust: course.trust(),
        };
        let own = Arc::make_mut(&mut self.tenants).entry(tenant.clone()).or_default();
        Arc::make_mut(own).courses.insert(key.clone(), Arc::new(installed));
        Ok(())
    }

    /// How many schemas judge a tenant's events: everybody's, and its own.
    #[must_use]
    pub fn count(&self, tenant: &TenantId) -> (usize, usize) {
        (self.shared.schemas, self.tenants.get(tenant).map_or(0, |own| own.shelf.schemas))
    }

    /// The most steps that one value of the tenant's events can take under the schema of `key`.
    #[must_use]
    pub fn price(&self, tenant: &TenantId, key: &SchemaKey) -> Option<u64> {
        self.exactly(tenant, key).map(|schema| schema.price.highest())
    }

    fn exactly(&self, tenant: &TenantId, key: &SchemaKey) -> Option<&Arc<Compiled>> {
        let own = self.tenants.get(tenant).and_then(|own| own.shelf.exactly(key));
        own.or_else(|| self.shared.exactly(key))
    }

    /// What judges an event of the tenant that is of this type and version.
    pub(crate) fn find(
        &self,
        tenant: &TenantId,
        platform: &str,
        event_type: &str,
        version: &str,
    ) -> Option<Found<'_>> {
        let own = self.tenants.get(tenant);
        let found = own.and_then(|own| own.shelf.find(platform, event_type, version));
        let named = found.or_else(|| self.shared.find(platform, event_type, version))?;
        let course = own.and_then(|own| own.courses.get(&named.key)).map(|course| &**course);
        Some(Found { named, course })
    }
}

/// Shows how much there is, not whose.
impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("shared", &self.shared.schemas)
            .field("tenants", &self.tenants.len())
            .finish_non_exhaustive()
    }
}

impl Shelf {
    /// Whether something new was put in.
    fn insert(
        &mut self,
        registration: &Registration<'_>,
        shared: bool,
        limits: &Limits,
    ) -> Result<bool, RegisterError> {
        let key = &registration.key;
        if let Some(known) = self.exactly(key) {
            return if known.is_of(registration) {
                Ok(false)
            } else {
                Err(RegisterError::new("", RegisterFault::AlreadyRegistered))
            };
        }
        if self.schemas >= limits.schemas {
            return Err(RegisterError::new("", RegisterFault::TooManySchemas));
        }
        let schema = Arc::new(registration.compile(shared, limits.price)?);
        let mut at = match self.platforms.entry(key.platform().into()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(Vertex::default()),
        };
        for segment in key.event_type().split('.') {
            at = if is_any(segment) {
                at.any.get_or_insert_default()
            } else {
                at.literal.entry(segment.into()).or_default()
            };
        }
        at.versions.insert(key.version().into(), schema);
        self.schemas += 1;
        Ok(true)
    }

    fn exactly(&self, key: &SchemaKey) -> Option<&Arc<Compiled>> {
        let mut at = self.platforms.get(key.platform())?;
        for segment in key.event_type().split('.') {
            at = if is_any(segment) { at.any.as_deref()? } else { at.literal.get(segment)? };
        }
        at.versions.get(key.version())
    }

    fn find(&self, platform: &str, event_type: &str, version: &str) -> Option<&Arc<Compiled>> {
        self.platforms.get(platform)?.find(event_type.split('.'), version)
    }
}

impl Vertex {
    /// The first that has the version, the literal before any other; the depth is that of what is registered.
    fn find<'s, S: Iterator<Item = &'s str> + Clone>(
        &self,
        mut segments: S,
        version: &str,
    ) -> Option<&Arc<Compiled>> {
        let Some(segment) = segments.next() else { return self.versions.get(version) };
        let literal = self.literal.get(segment);
        literal.and_then(|below| below.find(segments.clone(), version)).or_else(|| {
            // An empty segment is no name.
            let any = self.any.as_ref().filter(|_| !segment.is_empty());
            any.and_then(|below| below.find(segments, version))
        })
    }
}
