//! The log of an account: who did what and when, as its journal has it.
//!
//! The journal names users by id. What they are called, and where a login came from, is looked up when the log is read:
//! of a user who is gone nothing but the id is left.

mod entry;
mod http;
mod names;
mod read;

pub(crate) use entry::shown;
pub(crate) use http::LISTING;
pub use http::{Operations, routes};
pub(crate) use names::Names;
pub(crate) use read::is_worth_telling;
