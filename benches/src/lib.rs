//! Micro-benchmarks of the hot paths; the files are in `benches/` beside this folder.
//!
//! `cargo bench -p kv-benches` runs them all, `cargo bench -p kv-benches --bench store` one.
