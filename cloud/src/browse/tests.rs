//! Whole pages, as they are made of an answer.

use super::document::Document;
use super::links::Links;
use super::page::{Page, Who};
use super::query::Query;
use super::sample;
use crate::access::{Permission, Permissions};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

const EVENT: &str = "/api/v1/events/evt_0123456789abcdefghjk";
const HOSTILE: &str = "</title></script><img src=x onerror=alert(1)>\"'";

fn page(path: &str, status: u16, permissions: &[Permission], body: &Value) -> String {
    let (document, query) = (Document(sample::document()), Query::default());
    let links = Links::of(document);
    let who = Who { name: HOSTILE.to_owned(), permissions: permissions.iter().copied().collect() };
    let headers = HeaderMap::from_iter([(header::ETAG, HeaderValue::from_static("\"3\""))]);
    let body = body.to_string();
    let page = Page {
        document,
        links: &links,
        base: "https://live.example.org",
        path,
        query: &query,
        who: Some(&who),
        status: StatusCode::from_u16(status).unwrap(),
        headers: &headers,
        body: body.as_bytes(),
    };
    let (title, markup) = page.render();
    super::shell::filled(None, &title, &markup)
}

fn event() -> Value {
    json!({ "id": "evt_0123456789abcdefghjk", "title": HOSTILE, "device_id": null })
}

fn all() -> Vec<Permission> {
    Permissions::all().iter().collect()
}

#[test]
fn a_hostile_title_is_only_text_everywhere() {
    for (path, status, body) in [
        (EVENT, 200, event()),
        ("/api/v1/events", 200, json!({ "data": [event()], "next": HOSTILE })),
        (
            EVENT,
            404,
            json!({ "title": HOSTILE, "detail": HOSTILE, "errors": [{ "field": HOSTILE, "detail": HOSTILE }] }),
        ),
        ("/api/v1/\"><img src=x onerror=alert(1)>", 404, json!({ "title": "Not Found", "detail": "x" })),
    ] {
        let page = page(path, status, &all(), &body);
        assert!(!page.contains("<img") && !page.contains("<script") && !page.contains("</script"), "{page}");
        assert_eq!(page.matches("<title>").count(), 1, "{page}");
    }
}

#[test]
fn a_things_page_has_its_way_its_answer_and_its_forms() {
    let page = page(EVENT, 200, &all(), &event());
    for part in [
        r#"<a href="/api/v1">API</a>"#,
        r#"<a href="/api/v1/events">events</a>"#,
        r#"<span aria-current="page">evt_0123456789abcdefghjk</span>"#,
        r#"data-status="200""#,
        r#"data-method="PATCH" data-path="/api/v1/events/evt_0123456789abcdefghjk" data-etag="&quot;3&quot;""#,
        r#"data-method="DELETE""#,
        r#"data-path="/api/v1/events/evt_0123456789abcdefghjk/status""#,
        r#"<input type="checkbox" data-null checked>"#,
        "<option value=\"&quot;waiting&quot;\">waiting</option>",
        "curl -X PATCH &apos;",
    ] {
        let part = part.replace("&apos;", "'");
        assert!(page.contains(&part), "{part} is not in {page}");
    }
    assert!(!page.contains("fieldset disabled"), "{page}");
}

#[test]
fn what_somebody_may_not_do_is_shown_and_cannot_be_used() {
    let page = page(EVENT, 200, &[Permission::EventsRead, Permission::EventsRun], &event());
    assert_eq!(page.matches("<fieldset disabled>").count(), 2, "{page}");
    assert!(page.contains("It needs <code>events:write</code>, which your role does not allow."), "{page}");
    assert!(page.contains(r##"href="#post-events--event--status""##), "{page}");
    assert!(!page.contains(r##"href="#patch-events--event-""##), "{page}");
}

#[test]
fn an_error_is_a_page_with_the_forms_that_are_there() {
    let problem = json!({ "title": "Method Not Allowed", "status": 405, "detail": "allowed here: `POST`" });
    let page = page(&format!("{EVENT}/status"), 405, &all(), &problem);
    assert!(page.contains("allowed here: <code>POST</code>"), "{page}");
    assert!(page.contains(r#"data-method="POST""#), "{page}");
    assert!(page.contains("<h1>Method Not Allowed</h1>"), "{page}");
}

#[test]
fn a_stream_is_followed_by_its_page() {
    let page = page("/api/v1/stream", 200, &all(), &Value::Null);
    assert!(page.contains(r#"data-stream="/api/v1/stream" data-events="change alive""#), "{page}");
}
