//! Test instruments for tenant isolation: event generator, noninterference check, conformance suites, fuzz bodies.
#![forbid(unsafe_code)]
