//! Tokio drivers for Cofferdam: sockets that pause, timers, JWKS over HTTP.
#![forbid(unsafe_code)]
