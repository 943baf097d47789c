//! Fuzz bodies: what each fuzz target runs on its input, here so that tests replay the corpora too.

mod cursor;

pub use cursor::cursor;
