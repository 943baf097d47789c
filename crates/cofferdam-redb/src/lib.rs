//! The embedded Cofferdam store: cursors and dead letters in redb.
#![forbid(unsafe_code)]
