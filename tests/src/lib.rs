//! What the tests, the demo and the benches share: the house started as real processes.
#![allow(clippy::disallowed_methods, reason = "a driver: it starts processes and waits for them")]

pub mod house;
pub mod powercut;
