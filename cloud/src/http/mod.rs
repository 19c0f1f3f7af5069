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
mod connection;
mod content;
mod edge;
mod fields;
mod health;
pub(crate) mod listing;
mod origin;
mod pace;
mod parameters;
pub(crate) mod places;
mod problem;
mod quota;
mod range;
mod ranged;
mod rate;
mod reply;
mod request_id;
mod router;
mod selection;
mod sendfile;
mod sent;
mod server;
mod text;
mod told;

pub(crate) use call::Named;
pub use call::{Call, Peer, answer, call};
pub(crate) use content::{Content, FileRange, in_memory};
pub use fields::{Fields, Line, Parsed, line};
pub(crate) use pace::BodyLimits;
pub use parameters::IfMatch;
pub(crate) use parameters::parameter;
pub use problem::{ApiError, FieldError, Problem};
pub use quota::Rates;
pub(crate) use quota::source;
pub(crate) use range::Range;
pub(crate) use ranged::Download;
pub use rate::Rate;
pub(crate) use reply::json_bytes;
pub use reply::{Listed, accepted, created, empty, json, with_header};
pub(crate) use request_id::{REQUEST_ID, RequestId};
pub use router::Router;
pub(crate) use selection::{MOST as MAX_FIELDS, names};
pub use server::{Counters, ServeError, Server};
pub(crate) use text::{Text, accepts};
pub(crate) use told::{Teller, events};

pub use warp::reply::Response;

/// What a slice's `routes` returns.
pub type Routes = warp::filters::BoxedFilter<(Response,)>;

/// A problem as warp's rejection, for filters that refuse a request before a handler sees it.
#[derive(Debug)]
pub struct Refused(pub ApiError);

impl warp::reject::Reject for Refused {}
