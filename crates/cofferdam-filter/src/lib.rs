//! Subscription documents compiled to a filter graph over raw JSON bytes.
#![forbid(unsafe_code)]
