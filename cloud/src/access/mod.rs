//! Who may do what: one table of routes, named permissions, and whoever asks.

mod caller;
mod deprecation;
mod permission;
mod table;

pub use caller::{Caller, Via};
pub use deprecation::Deprecation;
pub use permission::{Permission, PermissionError, Permissions};
pub use table::{Found, Need, Rule, Segment, TEXT, Table, Thing, find, rules};
