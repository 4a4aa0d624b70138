//! Durable nodes on a disk that a test holds up, fills, or breaks.

mod answers;
mod checkpoints;
mod closing;
mod disk;
mod failures;
mod nodes;
mod space;
