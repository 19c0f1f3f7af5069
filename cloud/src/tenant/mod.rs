//! What an account is held to, how much it has, and how it goes.
//!
//! [`watch`] counts what accounts have and tells broadcasts whether they are recorded; [`expire`] deletes what was kept long
//! enough; [`removal`] takes a whole account away.

mod deletion;
mod error;
mod expire;
mod level;
mod media_of;
mod quotas;
mod removal;
mod resume;
mod retention;
mod survey;
mod usage;
mod watch;

pub use deletion::DeleteAccount;
pub use error::RemovalError;
pub use expire::expire;
pub(crate) use expire::{item_goes_at, start as start_expiring};
pub use level::Level;
pub(crate) use level::storage_bytes;
pub(crate) use quotas::Quotas;
pub(crate) use removal::Removal;
pub(crate) use resume::{enqueue, start as start_resuming};
pub(crate) use retention::deletes_at;
pub(crate) use survey::find;
pub use survey::{Survey, survey};
pub use usage::StorageUse;
pub(crate) use usage::{note, used};
pub(crate) use watch::start as start_watching;
