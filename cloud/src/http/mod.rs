//! HTTP: one service for all slices, problems in one shape, limits on everything.
//!
//! A slice exports `routes(app) -> Routes`: a warp filter with its whole path in it.
//! Handlers take a [`Call`] and return `Result<Response, ApiError>`:
//!
//! ```ignore
//! warp::path!("api" / "v1" / "things" / ThingId)
//!     .and(http::call())
//!     .then(move |id, call| http::answer(one(app.clone(), id, call)))
//!     .boxed()
//! ```

mod call;
mod fields;
mod health;
mod origin;
mod parameters;
mod problem;
mod range;
mod reply;
mod router;
mod server;

pub use call::{Call, Peer, answer, call};
pub use fields::{Fields, Line, Parsed, line};
pub(crate) use parameters::parameter;
pub use parameters::{IfMatch, PageQuery};
pub use problem::{ApiError, FieldError, Problem};
pub(crate) use range::Range;
pub use reply::{Listed, accepted, created, empty, filtered_request, json, list, page_request, with_header};
pub use router::Router;
pub use server::{Counters, ServeError, Server};

pub use warp::reply::Response;

/// What a slice's `routes` returns.
pub type Routes = warp::filters::BoxedFilter<(Response,)>;

/// A problem as warp's rejection, for filters that refuse a request before a handler sees it.
#[derive(Debug)]
pub struct Refused(pub ApiError);

impl warp::reject::Reject for Refused {}
