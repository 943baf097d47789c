//! Bounded per-tenant queues with watermarks, acknowledgements, token buckets and dead letters.
#![forbid(unsafe_code)]
