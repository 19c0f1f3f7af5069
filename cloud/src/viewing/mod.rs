//! Who may watch what, at which address, and playback of items.

mod answer;
mod path;
mod vod;

pub(crate) use answer::{Kind, media as answer_media, method, shared};
pub(crate) use path::{Address, Grant, Wanted};
pub use vod::routes;
