//! Short ways to names.

use cofferdam_core::TenantId;
use cofferdam_cursor::StreamId;

pub(crate) fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

pub(crate) fn stream(id: &str, name: &str) -> StreamId {
    StreamId::new(tenant(id), name).unwrap()
}
