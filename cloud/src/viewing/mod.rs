//! Who may watch what, at which address, and playback of items.

mod answer;
mod asked;
mod path;
mod titles;
mod vod;

pub(crate) use answer::{Kind, media as media_answer, playlist as playlist_answer};
pub(crate) use asked::{Asked, playback};
pub(crate) use path::{Address, Grant, Wanted};
pub(crate) use titles::Titles;
