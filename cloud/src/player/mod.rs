//! The pages: players for events and items, and the administrator's.
//!
//! The pages themselves are built from `cloud/web` and embedded in the binary; what is here serves them,
//! and tells open players what becomes of their event.

mod assets;
mod embed;
mod look;
mod page;
mod site;
mod state;
mod states;
mod stream;

pub(crate) use assets::page as shell;

use crate::app::App;
use crate::http::Routes;

/// What is below `/embed`: the players and what they follow.
pub fn routes(app: App) -> Routes {
    embed::routes(app)
}

/// Everything outside of the API and playback: the administrator's pages.
pub fn site_routes(_app: App) -> Routes {
    site::routes()
}
