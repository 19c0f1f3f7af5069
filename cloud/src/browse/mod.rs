//! The API for people: the addresses at which programs get JSON answer browsers with a page.
//!
//! A page shows what the API answers, leads on by every id in it, and has a form for everything that can be done there,
//! made from the OpenAPI document. A slice knows nothing of it: its JSON answer is shown.

mod answer;
mod details;
mod document;
mod field;
mod form;
mod http;
mod json;
mod links;
mod list;
mod negotiate;
mod page;
mod prose;
mod query;
#[cfg(test)]
mod sample;
mod schema;
mod shell;
mod start;
#[cfg(test)]
mod tests;
mod when;

pub(crate) use answer::answer;
pub(crate) use http::{LISTING, Operations, routes};
