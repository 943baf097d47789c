//! Keep tenants apart in shared real-time infrastructure: the typed pipeline, composed.
#![forbid(unsafe_code)]
