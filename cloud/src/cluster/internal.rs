//! What a process answers to the others of its installation, and to nobody else.
//!
//! Of one that takes events in, `GET /live/…` as viewers ask it, with the shared secret; whether a preview may be
//! seen was decided by whoever asks. `GET /known/<event>/<what>` tells what only that process knows of an event, such as
//! how well its broadcasts arrive. `GET /state/<event>` answers 204. Both carry [`PUBLIC_FROM`] while viewers may
//! see anything.
//!
//! Of one that has the broker, `/api/v1/devices…` as a client asked another process for it, with the client's login;
//! and `GET /telemetry`: what the boxes measure, as lines of JSON without end. `GET /news` does so of one that takes events
//! in: what happens in them second by second.
#![allow(clippy::disallowed_methods, reason = "a driver: it waits when it cannot accept")]

use super::ClusterError;
use super::peers::{CLIENT_ADDRESS, CLIENT_AUTHORIZATION};
use crate::app::App;
use crate::http::{ApiError, Peer, RequestId, Response, Router, in_memory};
use crate::id::EventId;
use crate::live;
use crate::viewing::Asked;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tracing::Instrument as _;
use warp::Reply as _;

/// The first segment that viewers may see.
pub(super) const PUBLIC_FROM: &str = "stagebox-public-from";
/// On the answer to whoever does not know the secret.
pub(super) const STRANGER: HeaderName = HeaderName::from_static("stagebox-stranger");
/// Connections at a time: each waiting request of a delivering process has one.
const MAX_CONNECTIONS: usize = 4_096;
/// How long a request's header may take to come, and an idle connection is kept.
const HEADER_LIMIT: Duration = Duration::from_secs(60);

/// Binds the address for other processes and answers until the shutdown.
pub(super) async fn start(app: &App, secret: &str) -> Result<SocketAddr, ClusterError> {
    let wanted = app.config.cluster.listen;
    let wrong = |source| ClusterError::Listen { address: wanted, source };
    let listener = TcpListener::bind(wanted).await.map_err(wrong)?;
    let bound = listener.local_addr().map_err(wrong)?;
    let _ = app.addresses.cluster.set(bound);
    let key: Key = Arc::new(Sha256::digest(secret.as_bytes()).into());
    let router = Router::new(app);
    tokio::spawn(listen(app.clone(), router, listener, key));
    let advertised = app.config.cluster.advertise.unwrap_or(bound);
    // A port of 0 stands for the one that was free.
    let port = if advertised.port() == 0 { bound.port() } else { advertised.port() };
    Ok(SocketAddr::new(advertised.ip(), port))
}

/// The secret's hash: of one length, whatever is shown.
type Key = Arc<[u8; 32]>;

async fn listen(app: App, router: Router, listener: TcpListener, key: Key) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let accepted = tokio::select! {
            () = app.shutdown.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let (app, router, key) = (app.clone(), router.clone(), Arc::clone(&key));
                tokio::spawn(async move {
                    let shutdown = app.shutdown.clone();
                    tokio::select! {
                        () = shutdown.cancelled() => {}
                        () = serve(app, router, stream, key) => {}
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept another process's connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(app: App, router: Router, stream: TcpStream, key: Key) {
    // Parts are small answers that must leave at once.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let (app, router, key) = (app.clone(), router.clone(), Arc::clone(&key));
        async move { Ok::<_, Infallible>(answer(&app, &router, request, &key).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_LIMIT);
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "another process's connection broke");
    }
}

async fn answer(app: &App, router: &Router, request: Request<Incoming>, key: &Key) -> Response {
    if !is_known(request.headers(), key) {
        let words = "this address is for processes with the same `cluster.secret`";
        let refused = ApiError::unauthorized(words).header(STRANGER, HeaderValue::from_static("1"));
        return refused.into_response();
    }
    let Some(id) = RequestId::given(request.headers()) else { return find(app, router, request).await };
    // Its lines in this process's log have the name that the other one gave it.
    let span = tracing::error_span!("request", %id);
    id.during(find(app, router, request)).instrument(span).await
}

async fn find(app: &App, router: &Router, request: Request<Incoming>) -> Response {
    match request.uri().path() {
        "/telemetry" => lines(app.devices.subscribe()),
        "/news" => lines(app.live.subscribe_elsewhere()),
        path if path.starts_with("/api/v1/devices") => router.devices(in_the_clients_name(request)).await,
        _ => live(app, &request).await,
    }
}

/// The request as the client sent it to the other process.
fn in_the_clients_name(mut request: Request<Incoming>) -> Request<Incoming> {
    let headers = request.headers_mut();
    headers.remove(header::AUTHORIZATION);
    if let Some(shown) = headers.remove(CLIENT_AUTHORIZATION) {
        headers.insert(header::AUTHORIZATION, shown);
    }
    let client = headers.get(CLIENT_ADDRESS).and_then(|value| value.to_str().ok()?.parse().ok());
    if let Some(client) = client {
        request.extensions_mut().insert(Peer(client));
    }
    request
}

/// All that is told from now on, a line each.
fn lines<T: Clone + Serialize + Send + 'static>(told: Receiver<T>) -> Response {
    let lines = futures_util::stream::unfold(told, |mut told| async {
        loop {
            match told.recv().await {
                Ok(one) => {
                    let line = serde_json::to_string(&one).unwrap_or_default() + "\n";
                    return Some((Ok::<_, Infallible>(line), told));
                }
                // The next second brings it anew.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    });
    warp::reply::stream(lines).into_response()
}

async fn live(app: &App, request: &Request<Incoming>) -> Response {
    let uri = request.uri();
    let event = uri.path().split('/').find_map(|segment| segment.parse::<EventId>().ok());
    let response = if uri.path().starts_with("/live/") {
        let asked = Asked {
            method: &Method::GET,
            path: uri.path(),
            query: uri.query().unwrap_or_default(),
            headers: &HeaderMap::new(),
            peer: None,
        };
        live::answer_inside(app, &asked).await.unwrap_or_else(ApiError::into_response)
    } else if uri.path().starts_with("/known/") {
        let known = live::answer_known(app, uri.path());
        known.and_then(|known| crate::http::json(&known)).unwrap_or_else(ApiError::into_response)
    } else if uri.path().starts_with("/state/") {
        let mut response = Response::default();
        *response.status_mut() = StatusCode::NO_CONTENT;
        response
    } else {
        ApiError::not_found("there is nothing at this address").into_response()
    };
    let mut response = in_memory(response).unwrap_or_else(|error| ApiError::internal(&error).into_response());
    let public_from = event.and_then(|event| app.live.stream(&event)).and_then(|stream| stream.public_from());
    if let Some(from) = public_from {
        response.headers_mut().insert(PUBLIC_FROM, HeaderValue::from(from));
    }
    response
}

fn is_known(headers: &HeaderMap, key: &Key) -> bool {
    let shown = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
    let shown = shown.strip_prefix(b"Bearer ").unwrap_or_default();
    let shown: [u8; 32] = Sha256::digest(shown).into();
    bool::from(shown.ct_eq(&**key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_secret_opens() {
        let key: Key = Arc::new(Sha256::digest(b"the shared secret").into());
        let shown = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_static(value));
            is_known(&headers, &key)
        };
        assert!(shown("Bearer the shared secret"));
        for wrong in
            ["Bearer the shared secre", "Bearer ", "the shared secret", "Basic the shared secret", ""]
        {
            assert!(!shown(wrong), "{wrong}");
        }
        assert!(!is_known(&HeaderMap::new(), &key));
    }
}
