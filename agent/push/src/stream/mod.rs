//! The way of encoded frames: one hub, any number of readers.
//!
//! Whoever takes frames out (a recorder, each RTMP output) has a bounded
//! queue of its own, so that a slow one loses frames of its own and holds up
//! nobody. What is lost is always whole groups of pictures: a reader's stream
//! can be decoded from start to end.

mod backlog;
mod hub;
mod queue;

#[cfg(test)]
mod tests;

pub use hub::{Hub, SubscribeOptions, Subscriber};
