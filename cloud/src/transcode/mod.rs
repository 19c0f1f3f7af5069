//! Decoding and encoding in worker processes.

pub mod worker;
