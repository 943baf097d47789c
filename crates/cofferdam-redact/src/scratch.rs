//! What is kept between events.

use crate::{values::Values, walk::Buffers};

/// Buffers that are kept between events. They have held values, so they are no one's to look at.
#[derive(Default)]
pub struct Scratch {
    pub(crate) buffers: Buffers,
    pub(crate) values: Values,
    pub(crate) levels: Vec<Level>,
    pub(crate) decoded: Vec<u8>,
    pub(crate) since_residue: u32,
}

/// A string that holds JSON.
#[derive(Default)]
pub(crate) struct Level {
    pub(crate) wrapped: Vec<u8>,
    pub(crate) out: Vec<u8>,
    pub(crate) buffers: Buffers,
    /// Where it stands, for the report.
    pub(crate) place: String,
}

impl Scratch {
    /// Empty buffers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

/// Holds nothing to see.
impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scratch(..)")
    }
}
