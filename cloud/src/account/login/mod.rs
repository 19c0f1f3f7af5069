//! How somebody shows who they are: by session, HTTP Basic or token.

pub(super) mod basic;
pub(super) mod browser;
mod caller;
pub(super) mod check;
pub(super) mod http;
pub(super) mod known;
pub(super) mod password;
pub(super) mod record;
pub(super) mod session;
mod sessions_http;
mod step;
pub(super) mod throttle;
mod upkeep;

pub use http::{SessionOperations, routes};
pub use record::{How, Login};
pub use session::SESSION_COOKIE;
pub(super) use sessions_http::shown as session_shown;
pub(crate) use sessions_http::{SESSIONS, SessionListOperations, routes as session_list_routes};
pub(crate) use upkeep::start as start_upkeep;

use ::http::{HeaderMap, header};
use std::net::{IpAddr, SocketAddr};

/// Longest name of a browser that is kept, in characters.
const BROWSER: usize = 200;

/// A request by which somebody would show who they are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt<'a> {
    /// Its headers.
    pub(super) headers: &'a HeaderMap,
    /// Where it comes from.
    pub(super) peer: Option<SocketAddr>,
}

impl Attempt<'_> {
    fn address(&self) -> Option<IpAddr> {
        self.peer.map(|peer| peer.ip().to_canonical())
    }

    /// What the browser or program calls itself.
    fn browser(&self) -> String {
        let name = self.headers.get(header::USER_AGENT).and_then(|name| name.to_str().ok());
        name.unwrap_or_default().chars().take(BROWSER).collect()
    }
}
