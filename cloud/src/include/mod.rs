//! Include files: small files of an account, such as style sheets, logos and fonts, which anybody can read.
//!
//! `https://…/include/<account>/<name>` serves them so that nothing in them ever has the rights of the pages here ([`serve`]).

mod document;
mod files;
mod http;
mod kind;
mod serve;

pub use document::{IncludeFile, IncludeTotal};
pub(crate) use files::{all, find, is_picture};
pub(crate) use http::{LISTING, Operations, routes};
pub(crate) use serve::answer;
