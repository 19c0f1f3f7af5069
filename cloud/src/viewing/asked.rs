//! A playback request: what a handler of media needs of it, and nothing copied.

use std::net::SocketAddr;

use http::request::Parts;
use http::{HeaderMap, Method};

use super::{answer, vod};
use crate::app::App;
use crate::http::{ApiError, Peer, Response};
use crate::live;

/// A request for media.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    /// Without its `?`.
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) peer: Option<SocketAddr>,
}

impl Asked<'_> {
    /// Whether whole segments only are wanted.
    pub(crate) fn plain(&self) -> bool {
        self.query.split('&').any(|pair| pair == "plain=1")
    }
}

/// Answers a request below `/live` or `/vod`.
pub(crate) async fn playback(app: &App, parts: &Parts) -> Response {
    let asked = Asked {
        method: &parts.method,
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: &parts.headers,
        peer: parts.extensions.get::<Peer>().map(|peer| peer.0),
    };
    dispatch(app, &asked).await.unwrap_or_else(|error| answer::shared(error.into_response()))
}

async fn dispatch(app: &App, asked: &Asked<'_>) -> Result<Response, ApiError> {
    if let Some(response) = answer::method(asked.method)? {
        return Ok(response);
    }
    if asked.path.starts_with("/vod/") {
        vod::answer(app, asked).await
    } else {
        live::answer(app, asked).await
    }
}
