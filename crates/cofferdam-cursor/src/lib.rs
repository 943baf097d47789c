//! Stream positions, gap records and tenant-scoped de-duplication.
#![forbid(unsafe_code)]
