//! Pages as HTML: the player's shell filled in, and messages in words.

use super::assets;
use crate::html::escaped;
use crate::http::Response;
use http::{HeaderValue, StatusCode, header};
use serde_json::Value;

/// What a player's page may do, and that any site may show it in a frame.
const EMBED_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; \
    img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self'; worker-src 'self' blob:; \
    base-uri 'none'; form-action 'none'; frame-ancestors *";
/// A message has only its own style.
const MESSAGE_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors *";

const DATA: &str = "<meta name=\"stagebox\" content=\"\"";
const TITLE: &str = "<title>Stagebox</title>";

/// The player's page with what it plays written into it.
pub(super) fn player(title: &str, data: &Value) -> Response {
    let Some(shell) = assets::page("player.html") else { return not_built() };
    let response = html(StatusCode::OK, fill(&shell, title, data), EMBED_POLICY);
    crate::http::with_header(response, header::CACHE_CONTROL, "no-cache")
}

fn fill(shell: &str, title: &str, data: &Value) -> String {
    let data = format!("<meta name=\"stagebox\" content=\"{}\"", escaped(&data.to_string()));
    let title = format!("<title>{}</title>", escaped(title));
    shell.replacen(DATA, &data, 1).replacen(TITLE, &title, 1)
}

/// The administrator's page; its own script reads the address.
pub(super) fn admin() -> Response {
    let Some(page) = assets::page("index.html") else {
        let mut response = not_built();
        // No other site may frame what stands here: the server's own policy holds.
        response.headers_mut().remove(header::CONTENT_SECURITY_POLICY);
        return response;
    };
    let mut response = Response::new(page.into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// The server was built before its pages were.
fn not_built() -> Response {
    message(
        StatusCode::SERVICE_UNAVAILABLE,
        "The pages are not built",
        "This server was compiled without its web front. In the source tree run \
         <code>npm ci &amp;&amp; npm run build</code> in <code>cloud/web</code>, then \
         <code>cargo build -p stagebox-cloud</code>, and start the server again. The API and playback work without it.",
    )
}

/// There is nothing to play at this address.
pub(super) fn nothing_to_play(what: &str) -> Response {
    let text = format!(
        "There is no {what} at this address. The link may be incomplete, or the {what} was removed. \
         Ask whoever gave you the link for a new one."
    );
    message(StatusCode::NOT_FOUND, "Nothing to play here", &text)
}

/// The server cannot say what is there at the moment; the page asks again by itself.
pub(super) fn try_again() -> Response {
    let text = "The server could not read its data just now. This page tries again in a few seconds.";
    let response = message(StatusCode::SERVICE_UNAVAILABLE, "One moment", text);
    crate::http::with_header(response, header::REFRESH, "3")
}

fn message(status: StatusCode, title: &str, text: &str) -> Response {
    let page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title><style>\
         html{{height:100%;background:#0a0c0f;color:#eef1f4;font:16px/1.55 system-ui,sans-serif}}\
         body{{min-height:100%;margin:0;display:grid;place-content:center;padding:1.5rem;box-sizing:border-box}}\
         main{{max-width:34rem}}h1{{font-size:1.5rem;font-weight:600;margin:0 0 .5rem}}p{{margin:0;color:#a9b2bd}}\
         code{{color:#eef1f4}}</style></head><body><main><h1>{title}</h1><p>{text}</p></main></body></html>"
    );
    let response = html(status, page, MESSAGE_POLICY);
    crate::http::with_header(response, header::CACHE_CONTROL, "no-store")
}

fn html(status: StatusCode, page: String, policy: &'static str) -> Response {
    let mut response = Response::new(page.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SHELL: &str =
        "<head><meta name=\"stagebox\" content=\"\" /><title>Stagebox</title></head><title>Stagebox</title>";

    #[test]
    fn a_title_cannot_leave_its_place() {
        let title = "\"><script>alert('x')</script>";
        let page = fill(SHELL, title, &json!({ "title": title }));
        assert!(!page.contains("<script>"), "{page}");
        assert!(page.contains("<title>&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;</title>"));
        assert!(page.contains("content=\"{&quot;title&quot;:&quot;\\&quot;&gt;&lt;script&gt;"));
    }

    #[test]
    fn a_title_that_looks_like_the_shell_is_only_text() {
        let page = fill(SHELL, TITLE, &json!({ "title": TITLE }));
        assert_eq!(page.matches(TITLE).count(), 1, "only the one after the head is left: {page}");
    }

    #[test]
    fn nothing_to_play_is_said_in_words_and_may_be_framed() {
        let response = nothing_to_play("event");
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("frame-ancestors *"));
    }
}
