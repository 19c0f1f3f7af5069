//! How somebody shows who they are: by session, HTTP Basic or token.

pub(super) mod basic;
mod caller;
mod http;
pub(super) mod password;
mod session;
pub(super) mod throttle;

pub use http::{SessionOperations, routes};
pub use session::SESSION_COOKIE;
