//! `/include/<account>/<name>`: a file as anybody reads it, without any right of this site.
//!
//! Each answer is sandboxed by its policy: opened as a page it has an origin of its own, runs no script and submits no form,
//! so that an HTML or SVG file can neither read cookies nor ask the API in its reader's name. Nor can a file be a script
//! *in* a page of this site: a browser says where what it loads is to go, and a script for a page here is refused.

use super::document::{IncludeFile, id};
use crate::app::App;
use crate::http::{ApiError, Range, Response};
use crate::id::AccountId;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};

const POLICY: HeaderValue = HeaderValue::from_static(
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors *",
);
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
/// Kept for ever: what the address names never changes.
const VERSIONED: &str = "public, max-age=31536000, immutable";
const SHORT: &str = "public, max-age=60, must-revalidate";
/// What runs with the rights of the page that loads it.
const SCRIPTS: [&str; 6] =
    ["script", "worker", "sharedworker", "serviceworker", "audioworklet", "paintworklet"];

/// Answers a request below `/include`.
pub(crate) async fn answer(app: &App, parts: &Parts) -> Response {
    let mut response = serve(app, parts).await.unwrap_or_else(ApiError::into_response);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.append(header::VARY, HeaderValue::from_static("sec-fetch-dest, sec-fetch-site"));
    response
}

async fn serve(app: &App, parts: &Parts) -> Result<Response, ApiError> {
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        return Err(ApiError::method_not_allowed(&["GET", "HEAD"]));
    }
    if is_script_of_ours(parts) {
        return Err(ApiError::forbidden("an include file is no script of this site's pages"));
    }
    let missing = || ApiError::not_found("there is no such file");
    let (account, name) = address(parts.uri.path()).ok_or_else(missing)?;
    let file = app.store.get::<IncludeFile>(id(&account, name)).await?.ok_or_else(missing)?.document;
    let tag = format!("\"{}\"", file.sha256);
    // An address of another version shows this one, but not for ever.
    let asked = version(parts.uri.query().unwrap_or_default());
    let caching = if asked == Some(file.sha256.as_str()) { VERSIONED } else { SHORT };
    let mut response = if is_known(parts, &tag) {
        let mut response = Response::default();
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        let data = app.media.get(&file.object()).await?.ok_or_else(missing)?;
        let range =
            if may_be_partial(parts, &tag) { Range::of(&parts.headers, file.bytes) } else { Range::Whole };
        partial(data, range)
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::ETAG, tag.as_str()),
        (header::CACHE_CONTROL, caching),
        (header::CONTENT_TYPE, file.content_type.as_str()),
        (header::ACCEPT_RANGES, "bytes"),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    Ok(response)
}

fn partial(data: bytes::Bytes, range: Range) -> Response {
    let length = data.len();
    let (status, body, said) = match range {
        Range::Whole => (StatusCode::OK, data, None),
        Range::Of(first, last) => {
            let said = format!("bytes {first}-{last}/{length}");
            (StatusCode::PARTIAL_CONTENT, data.slice(first as usize..=last as usize), Some(said))
        }
        Range::Outside => {
            (StatusCode::RANGE_NOT_SATISFIABLE, bytes::Bytes::new(), Some(format!("bytes */{length}")))
        }
    };
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    match said {
        Some(said) => crate::http::with_header(response, header::CONTENT_RANGE, &said),
        None => response,
    }
}

/// Whether it would run in a page of this site, with that page's rights.
fn is_script_of_ours(parts: &Parts) -> bool {
    let said = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_script = SCRIPTS.contains(&said("sec-fetch-dest")) || parts.headers.contains_key("service-worker");
    is_script && !matches!(said("sec-fetch-site"), "cross-site")
}

fn address(path: &str) -> Option<(AccountId, &str)> {
    let (account, name) = path.strip_prefix("/include/")?.split_once('/')?;
    Some((account.parse().ok()?, name)).filter(|(_, name)| super::kind::is_name(name))
}

fn version(query: &str) -> Option<&str> {
    query.split('&').find_map(|pair| pair.strip_prefix("v="))
}

/// Whether the reader has this version (RFC 9110, 13.1.2).
fn is_known(parts: &Parts, tag: &str) -> bool {
    let known = parts.headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = known.flat_map(|value| value.split(',')).map(|one| one.trim().trim_start_matches("W/"));
    tags.any(|one| one == tag || one == "*")
}

/// A part is of this version, or the whole is sent (RFC 9110, 13.1.5).
fn may_be_partial(parts: &Parts, tag: &str) -> bool {
    parts.headers.get(header::IF_RANGE).is_none_or(|value| value.as_bytes() == tag.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn parts(headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri("/include/x/y");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn only_whole_addresses_name_a_file() {
        let account = AccountId::random();
        let path = format!("/include/{account}/logo.svg");
        assert_eq!(address(&path), Some((account, "logo.svg")));
        for wrong in [
            "/include",
            "/include/",
            "/include/acc_1/x",
            &format!("{path}/x"),
            &format!("/include/{account}/.x"),
        ] {
            assert_eq!(address(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_script_for_a_page_of_this_site_is_refused() {
        for (dest, site, refused) in [
            ("script", "same-origin", true),
            ("script", "same-site", true),
            ("serviceworker", "same-origin", true),
            ("script", "cross-site", false),
            ("image", "same-origin", false),
            ("document", "none", false),
        ] {
            let asked = parts(&[("sec-fetch-dest", dest), ("sec-fetch-site", site)]);
            assert_eq!(is_script_of_ours(&asked), refused, "{dest} {site}");
        }
        assert!(!is_script_of_ours(&parts(&[])));
        assert!(is_script_of_ours(&parts(&[("service-worker", "script")])));
    }

    #[test]
    fn a_reader_that_has_it_is_sent_nothing() {
        for known in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*"] {
            assert!(is_known(&parts(&[("if-none-match", known)]), "\"a\""), "{known}");
        }
        assert!(!is_known(&parts(&[("if-none-match", "\"b\"")]), "\"a\""));
        assert!(!may_be_partial(&parts(&[("if-range", "\"b\"")]), "\"a\""));
    }
}
