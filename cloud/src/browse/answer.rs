//! From a browser's request to a page: what the API answers to it, shown.

use super::document::Document;
use super::links::{Links, ROOT};
use super::negotiate::prefers_page;
use super::page::{Page, Who};
use super::query::Query;
use super::shell;
use crate::access::{self, Found, Need};
use crate::app::App;
use crate::http::{ApiError, Peer, Response, Router};
use ::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Collected, Limited};
use hyper::body::Incoming;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// Largest answer that is made a page.
const MAX_BODY: usize = 4 * 1024 * 1024;
/// Answers of another form that are at their addresses for whoever asks.
const ONLY_JSON: &str = "/api/v1/openapi.json";
const ACCEPT: HeaderValue = HeaderValue::from_static("accept");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Headers that are of the JSON and not of the page.
const NOT_THE_PAGES: [HeaderName; 8] = [
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::TRANSFER_ENCODING,
    header::ETAG,
    header::LAST_MODIFIED,
    header::CACHE_CONTROL,
    header::WWW_AUTHENTICATE,
];

static LINKS: LazyLock<Links> = LazyLock::new(|| Links::of(Document(document())));

fn document() -> &'static Value {
    crate::openapi::document()
}

/// Whether an address has a page beside its JSON.
fn has_page(method: &Method, path: &str) -> bool {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let below = path.strip_prefix(ROOT).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    reads && (below || path == "/api" || path == "/api/") && path != ONLY_JSON
}

/// Answers a request of the API: with a page where its client prefers one.
pub(crate) async fn answer(router: &Router, app: &App, request: Request<Incoming>) -> Response {
    if !has_page(request.method(), request.uri().path()) {
        return router.api(request).await;
    }
    if prefers_page(request.headers()) {
        return Box::pin(page(router, app, request)).await;
    }
    let mut response = router.api(request).await;
    if is_json(response.headers()) || is_stream(response.headers()) {
        response.headers_mut().append(header::VARY, ACCEPT);
    }
    response
}

fn of_kind(headers: &HeaderMap, kinds: &[&str]) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kinds.contains(&kind.split(';').next().unwrap_or_default().trim())
}

fn is_json(headers: &HeaderMap) -> bool {
    of_kind(headers, &["application/json", "application/problem+json"])
}

fn is_stream(headers: &HeaderMap) -> bool {
    of_kind(headers, &["text/event-stream"])
}

async fn page(router: &Router, app: &App, mut request: Request<Incoming>) -> Response {
    let path = request.uri().path().to_owned();
    if matches!(path.as_str(), "/api" | "/api/" | "/api/v1/") {
        return elsewhere(ROOT);
    }
    let asked = request.uri().path_and_query().map_or_else(|| path.clone(), ToString::to_string);
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let known: Vec<HeaderValue> = request.headers().get_all(header::IF_NONE_MATCH).iter().cloned().collect();
    let who = match who(app, &request).await {
        Err(error) if error.status() == StatusCode::UNAUTHORIZED && is_public(&request) => Err(error),
        Err(error) => match router.count(&request) {
            Err(too_many) => Err(too_many),
            Ok(()) if error.status() == StatusCode::UNAUTHORIZED => return elsewhere(&login(&asked)),
            Ok(()) => Err(error),
        },
        who => who,
    };
    as_program(&mut request, &query);
    let get = Document(document()).at(&path).into_iter().find(|operation| operation.method == Method::GET);
    let streams = get.is_some_and(|get| get.events().is_some());
    let result = match &who {
        Err(error) if error.status() != StatusCode::UNAUTHORIZED => Err(error.clone()),
        // Who follows a stream by a page has the page open it.
        _ if streams => router.may(&mut request).await.map(|()| Response::default()),
        _ => Ok(router.api(request).await),
    };
    let response = result.unwrap_or_else(ApiError::into_response);
    if !streams && !is_json(response.headers()) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let body = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => {
            let words = "the answer is too large for a page: ask for fewer things, or for application/json";
            let problem = ApiError::new(StatusCode::NOT_ACCEPTABLE, "not-acceptable", words).into_response();
            let (problem, body) = problem.into_parts();
            parts = problem;
            body.collect().await.map(Collected::to_bytes).unwrap_or_default()
        }
    };
    let base = app.addresses.http_url(&app.config);
    let who = who.ok();
    let page = Page {
        document: Document(document()),
        links: &LINKS,
        base: base.trim_end_matches('/'),
        path: &path,
        query: &query,
        who: who.as_ref(),
        status: parts.status,
        headers: &parts.headers,
        body: &body,
    };
    let (title, markup) = page.render();
    html(parts.status, &parts.headers, shell::whole(&title, &markup), &known)
}

/// Whose login a request has.
async fn who(app: &App, request: &Request<Incoming>) -> Result<Who, ApiError> {
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
    let caller = app.accounts.caller(&Method::GET, request.headers(), peer).await?;
    let user = app.accounts.user_of(caller.account, caller.user).await?;
    Ok(Who { name: user.document.email, permissions: caller.permissions })
}

fn is_public(request: &Request<Incoming>) -> bool {
    matches!(access::find(&Method::GET, request.uri().path()), Found::Route(rule, _) if rule.need == Need::Public)
}

/// Makes a browser's request the one that a program would make.
fn as_program(request: &mut Request<Incoming>, query: &Query) {
    let (path, asked) = (request.uri().path(), query.asked());
    let address = if asked.is_empty() { path.to_owned() } else { format!("{path}?{asked}") };
    if let Ok(address) = address.parse::<Uri>() {
        *request.uri_mut() = address;
    }
    let headers = request.headers_mut();
    headers.insert(header::ACCEPT, JSON);
    for name in [header::IF_NONE_MATCH, header::IF_MATCH, header::IF_MODIFIED_SINCE] {
        headers.remove(name);
    }
}

/// The login page, which leads back.
fn login(asked: &str) -> String {
    let next = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", asked).finish();
    format!("/login?{next}")
}

fn elsewhere(address: &str) -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    if let Ok(address) = HeaderValue::from_str(address) {
        headers.insert(header::LOCATION, address);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, ACCEPT);
    response
}

/// The page as an answer, with what the JSON's headers say of both.
fn html(status: StatusCode, of_json: &HeaderMap, page: String, known: &[HeaderValue]) -> Response {
    let etag = etag(&page);
    let is_known = status == StatusCode::OK && is_among(&etag, known);
    let mut response = if is_known { Response::default() } else { Response::new(page.into()) };
    *response.status_mut() = if is_known { StatusCode::NOT_MODIFIED } else { status };
    let headers = response.headers_mut();
    for (name, value) in of_json {
        if !NOT_THE_PAGES.contains(name) {
            headers.append(name, value.clone());
        }
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.append(header::VARY, ACCEPT);
    if status == StatusCode::UNAUTHORIZED {
        // A scheme for which no browser has a dialogue.
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Session realm=\"stagebox\""));
    }
    if let Ok(etag) = HeaderValue::from_str(&etag)
        && status == StatusCode::OK
    {
        headers.insert(header::ETAG, etag);
    }
    response
}

/// A weak ETag, so that it cannot be meant in If-Match (RFC 9110, 13.1.1), and that no JSON has.
fn etag(page: &str) -> String {
    let print = Sha256::digest(page);
    format!("W/\"page-{}\"", hex::encode(&print[..12]))
}

/// Whether If-None-Match names the ETag (RFC 9110, 13.1.2).
fn is_among(etag: &str, known: &[HeaderValue]) -> bool {
    let lists = known.iter().filter_map(|value| value.to_str().ok());
    lists
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .any(|one| one == "*" || one == etag || format!("W/{one}") == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_reads_the_api_has_pages() {
        for path in ["/api", "/api/", "/api/v1", "/api/v1/", "/api/v1/events", "/api/v1/x/y/z"] {
            assert!(has_page(&Method::GET, path) && has_page(&Method::HEAD, path), "{path}");
            assert!(!has_page(&Method::POST, path), "{path}");
        }
        for path in ["/api/docs", "/api/v10", "/api/v1/openapi.json", "/apis"] {
            assert!(!has_page(&Method::GET, path), "{path}");
        }
    }

    #[test]
    fn the_login_page_is_told_where_to_lead_back() {
        assert_eq!(
            login("/api/v1/events?limit=2&a=b"),
            "/login?next=%2Fapi%2Fv1%2Fevents%3Flimit%3D2%26a%3Db"
        );
    }

    #[test]
    fn a_pages_etag_is_its_own() {
        let etag = etag("x");
        assert!(etag.starts_with("W/\"page-"));
        let known = |text: &str| is_among(&etag, &[HeaderValue::from_str(text).unwrap()]);
        assert!(known(&etag) && known("*") && known(&format!("\"3\", {etag}")) && known(&etag[2..]));
        assert!(!known("\"3\"") && !known(""));
    }
}
