//! Where an event says what it is.

use crate::{
    key::{InvalidKey, SchemaKey},
    pointer::{InvalidPointer, Pointer},
};

/// Where a platform's events name their type and version, and where what a schema judges stands.
///
/// Type and version are texts: `2` is no version and `"2"` is one. They are always strict: an event
/// whose type or version is of another type than text, or no name that a [`SchemaKey`] could have, is
/// refused under every policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    pub(crate) platform: Box<str>,
    pub(crate) event_type: Pointer,
    pub(crate) version: Option<Pointer>,
    pub(crate) unversioned: Box<str>,
    pub(crate) body: Pointer,
    pub(crate) sampled: Option<Pointer>,
}

impl Envelope {
    /// Events of `platform` that name their type at `event_type`, a JSON pointer through objects. They have
    /// no version, which is version `1`, and the schema judges the whole event.
    ///
    /// # Errors
    ///
    /// [`InvalidEnvelope`] if the platform is no name, or the pointer is none.
    pub fn new(platform: &str, event_type: &str) -> Result<Self, InvalidEnvelope> {
        SchemaKey::new(platform, "-", "1")?;
        Ok(Self {
            platform: platform.into(),
            event_type: Pointer::parse(event_type)?,
            version: None,
            unversioned: "1".into(),
            body: Pointer::default(),
            sampled: None,
        })
    }

    /// Notifications of Genesys Cloud: `topicName`, `version`, and a schema for `eventBody`. Frames of the
    /// channel itself (`channel.metadata`), which have no version, are of version `2`.
    #[must_use]
    pub fn genesys_cloud() -> Self {
        Self::of_genesys("genesys-cloud", &["topicName"], &["version"], &["eventBody"])
    }

    /// The same as Amazon EventBridge delivers them: under `detail`.
    #[must_use]
    pub fn genesys_eventbridge() -> Self {
        let detail = |name| ["detail", name];
        Self::of_genesys(
            "genesys-cloud",
            &detail("topicName"),
            &detail("version"),
            &detail("eventBody"),
        )
    }

    fn of_genesys(platform: &str, event_type: &[&str], version: &[&str], body: &[&str]) -> Self {
        Self {
            platform: platform.into(),
            event_type: Pointer::of(event_type),
            version: Some(Pointer::of(version)),
            unversioned: "2".into(),
            body: Pointer::of(body),
            sampled: None,
        }
    }

    /// The version stands at `pointer`; an event that lacks it is of version `unversioned`.
    ///
    /// # Errors
    ///
    /// [`InvalidEnvelope`] if the pointer is none, or `unversioned` is no name.
    pub fn version_at(mut self, pointer: &str, unversioned: &str) -> Result<Self, InvalidEnvelope> {
        SchemaKey::new(&self.platform, "-", unversioned)?;
        self.version = Some(Pointer::parse(pointer)?);
        self.unversioned = unversioned.into();
        Ok(self)
    }

    /// The schema judges what stands at `pointer`.
    ///
    /// # Errors
    ///
    /// [`InvalidEnvelope`] if the pointer is none.
    pub fn body_at(mut self, pointer: &str) -> Result<Self, InvalidEnvelope> {
        self.body = Pointer::parse(pointer)?;
        Ok(self)
    }

    /// A canary sees all events, or none, that have the same text at `pointer`: a conversation is
    /// not seen in part. Without this, and for events that have no text there, each event is drawn by
    /// itself, and a repeated one is drawn alike.
    ///
    /// # Errors
    ///
    /// [`InvalidEnvelope`] if the pointer is none.
    pub fn sampled_by(mut self, pointer: &str) -> Result<Self, InvalidEnvelope> {
        self.sampled = Some(Pointer::parse(pointer)?);
        Ok(self)
    }
}

/// The envelope names a platform, version or place that cannot be one. Nothing is quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEnvelope {
    /// A platform or version that is no name.
    #[error(transparent)]
    Name(#[from] InvalidKey),
    /// A place that is no JSON pointer.
    #[error(transparent)]
    Place(#[from] InvalidPointer),
}
