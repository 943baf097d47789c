//! The reference gateway.
fn main() {}
