//! Benchmarks, with their peers measured in the same run.
