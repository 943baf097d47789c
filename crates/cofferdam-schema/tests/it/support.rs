//! Schemas and events in a line.

use std::path::{Path, PathBuf};

use cofferdam_core::TenantId;
use cofferdam_schema::{
    Checker, Envelope, RegisterError, Registration, Registry, SchemaKey, Scratch, Verdict,
};
use serde_json::Value;

pub(crate) const SAMPLING: [u8; 16] = [9; 16];

pub(crate) fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

/// The key of a type `t` on the platform of [`envelope`].
pub(crate) fn key(version: &str) -> SchemaKey {
    SchemaKey::new("p", "t", version).unwrap()
}

/// Events `{"type": ..., "version": ..., "body": ...}`.
pub(crate) fn envelope() -> Envelope {
    let envelope = Envelope::new("p", "/type").unwrap();
    envelope.version_at("/version", "1").unwrap().body_at("/body").unwrap()
}

/// An event of type `t`, version `1`.
pub(crate) fn event(body: &Value) -> Vec<u8> {
    serde_json::json!({ "type": "t", "version": "1", "body": body }).to_string().into()
}

pub(crate) fn registration<'d>(document: &'d str) -> Registration<'d> {
    Registration::new(key("1"), document.as_bytes())
}

/// A registry in which `document` judges type `t`, version `1`.
pub(crate) fn registered(registration: &Registration<'_>) -> Result<Registry, RegisterError> {
    let mut registry = Registry::default();
    registry.register(registration)?;
    Ok(registry)
}

pub(crate) fn checker(registration: &Registration<'_>) -> Checker {
    Checker::new(envelope(), &registered(registration).unwrap(), SAMPLING)
}

pub(crate) fn scratch() -> Scratch {
    Scratch::new([5; 16])
}

/// What is said of a body.
pub(crate) fn judge(checker: &Checker, body: &Value) -> Verdict {
    checker.judge(&tenant("acme"), &event(body), &mut scratch())
}

/// A folder beside the repository; `None`, said loudly, if it is not there.
pub(crate) fn shared(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("COFFERDAM_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let path = root.join(folder);
    if !path.is_dir() {
        eprintln!("SKIPPED: {folder} is not at $COFFERDAM_SHARED or ../shared");
    }
    path.is_dir().then_some(path)
}
