//! The API's addresses as browsers ask for them.

use crate::server::{Answer, EMAIL, Server, answer};
use reqwest::redirect::Policy;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use stagebox_cloud::access::{self, Need, Segment};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

/// A browser that is logged in, and follows no redirect.
struct Browser<'a> {
    server: &'a Server,
    client: Client,
    cookie: String,
}

impl<'a> Browser<'a> {
    async fn of(server: &'a Server, email: &str, password: &str) -> Self {
        let body = json!({ "email": email, "password": password });
        let login = answer(server.anonymous(Method::POST, "/api/v1/session").json(&body)).await;
        assert_eq!(login.status, 200, "{login:?}");
        let cookie = login.header("set-cookie").split(';').next().unwrap().to_owned();
        let client = Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        Self { server, client, cookie }
    }

    fn request(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(format!("{}{path}", self.server.url)).header("accept", BROWSER)
    }

    async fn page(&self, path: &str) -> Answer {
        answer(self.request(path).header("cookie", &self.cookie)).await
    }
}

fn assert_page(page: &Answer, status: u16) {
    assert_eq!(page.status, status, "{page:?}");
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8", "{page:?}");
    assert_eq!(page.header("vary"), "accept");
    assert_eq!(page.header("cache-control"), "no-store");
    let policy = page.header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'self';") && policy.contains("frame-ancestors 'none'"),
        "{policy}"
    );
    assert!(!page.text.contains("<script>") && !page.text.contains(" onclick="), "no script in the page");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_address_has_a_page_for_whoever_may_read_it() {
    let server = Server::start().await;
    let browser = Browser::of(&server, EMAIL, &server.password).await;
    let event = server.new_event("A <b>title</b>").await;
    let event = event["id"].as_str().unwrap().to_owned();
    let (recording, item, job) = server.recorded(&event).await;
    let ids = json!({ "event": event, "recording": recording, "item": item, "job": job });
    for rule in access::rules().filter(|rule| rule.method == Method::GET) {
        let named = |segment: &Segment| match segment {
            Segment::Literal(word) => (*word).to_owned(),
            Segment::Id(thing) => ids[thing.name()].as_str().unwrap_or("none").to_owned(),
            Segment::Name | Segment::Rest => "none".to_owned(),
        };
        let path = format!("/{}", rule.path.iter().map(named).collect::<Vec<_>>().join("/"));
        if path == "/api/v1/openapi.json" || rule.need == Need::Public {
            continue;
        }
        // Its body is not read: a stream's has no end.
        let program = browser.client.get(format!("{}{path}", server.url)).header("cookie", &browser.cookie);
        let program = program.send().await.unwrap().status();
        assert!(
            program == 200
                || path.contains("/none")
                || path.contains("/self/")
                || path.ends_with("/hook")
                || path.ends_with("/export")
                || path.ends_with("/download"),
            "{path}"
        );
        let page = browser.page(&path).await;
        assert_page(&page, program.as_u16());
        assert!(page.text.contains("Stagebox API"), "{path}: {}", page.text);
        assert!(page.text.contains(EMAIL), "{path} says whose login it is");
        assert!(!page.text.contains("<b>title"), "{path}: {}", page.text);
    }
}

#[tokio::test]
async fn programs_get_json_and_both_are_told_apart() {
    let server = Server::start().await;
    let browser = Browser::of(&server, EMAIL, &server.password).await;
    let event = server.new_event("x").await;
    let path = format!("/api/v1/events/{}", event["id"].as_str().unwrap());
    let program = server.get(&path).await;
    assert_eq!((program.header("content-type"), program.header("vary")), ("application/json", "accept"));
    assert_eq!(program.body["id"], event["id"]);
    for accept in
        ["*/*", "application/json", "text/html, application/json", "application/json;q=0.9, text/html;q=0.8"]
    {
        let answer = answer(server.request(Method::GET, &path).header("accept", accept)).await;
        assert_eq!(answer.header("content-type"), "application/json", "{accept}");
    }
    let page = browser.page(&path).await;
    assert_page(&page, 200);
    let (etag, json_etag) = (page.header("etag"), program.header("etag"));
    assert!(etag.starts_with("W/\"page-"), "{etag}");
    // Neither is taken for the other's, nor for a version that can be changed.
    let with =
        |etag: &str| browser.request(&path).header("cookie", &browser.cookie).header("if-none-match", etag);
    assert_eq!(answer(with(etag)).await.status, 304);
    assert_eq!(answer(with(json_etag)).await.status, 200);
    let known = server.request(Method::GET, &path).header("if-none-match", etag);
    assert_eq!(answer(known).await.status, 200);
    let change = server.request(Method::PATCH, &path).header("if-match", etag).json(&json!({ "title": "y" }));
    assert!([400, 412].contains(&answer(change).await.status.as_u16()));
    assert_eq!(server.get(&path).await.body["title"], "x");
    server.patch(&path, json!({ "title": "y" })).await;
    let changed = answer(with(etag)).await;
    assert_eq!(changed.status, 200, "a page of another version is another page");
    let head = browser.client.head(format!("{}{path}", server.url)).header("accept", BROWSER);
    let head = answer(head.header("cookie", &browser.cookie)).await;
    assert_eq!(
        (head.status.as_u16(), head.header("etag"), head.text.as_str()),
        (200, changed.header("etag"), "")
    );
    let missing = server.get("/api/v1/nothing").await;
    missing.assert_problem(404);
    assert_eq!(missing.header("vary"), "accept");
}

#[tokio::test]
async fn a_browser_is_sent_to_the_login_page_and_back() {
    let server = Server::start().await;
    let browser = Browser::of(&server, EMAIL, &server.password).await;
    for (path, next) in [
        ("/api/v1/events?limit=2&after=x", "%2Fapi%2Fv1%2Fevents%3Flimit%3D2%26after%3Dx"),
        ("/api/v1", "%2Fapi%2Fv1"),
        ("/api/v1/nothing", "%2Fapi%2Fv1%2Fnothing"),
        ("/api/v1//example.org", "%2Fapi%2Fv1%2F%2Fexample.org"),
    ] {
        let sent = answer(browser.request(path)).await;
        assert_eq!(sent.status, 303, "{sent:?}");
        assert_eq!(sent.header("location"), format!("/login?next={next}"));
        assert_eq!((sent.header("www-authenticate"), sent.header("cache-control")), ("", "no-store"));
    }
    for path in ["/api", "/api/", "/api/v1/"] {
        let sent = browser.page(path).await;
        assert_eq!((sent.status.as_u16(), sent.header("location")), (303, "/api/v1"), "{path}");
    }
    // No answer to a browser opens its own dialogue.
    for path in ["/api/v1/devices/self/targets", "/api/v1/events"] {
        for page in [answer(browser.request(path)).await, browser.page(path).await] {
            assert!(!page.header("www-authenticate").to_lowercase().contains("basic"), "{page:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_role_does_not_allow_is_a_page_without_its_use() {
    let server = Server::start().await;
    let event = server.new_event("x").await;
    let role = json!({ "name": "Looker", "permissions": ["events:read"] });
    let role = server.post("/api/v1/roles", role).await;
    let password = "correct horse battery";
    let user = json!({ "email": "l@example.org", "role": role.body["id"], "password": password });
    assert_eq!(server.post("/api/v1/users", user).await.status, 201);
    let browser = Browser::of(&server, "l@example.org", password).await;
    let page = browser.page(&format!("/api/v1/events/{}", event["id"].as_str().unwrap())).await;
    assert_page(&page, 200);
    assert!(page.text.contains("<fieldset disabled>"), "{}", page.text);
    assert!(page.text.contains("It needs <code>events:write</code>"), "{}", page.text);
    let refused = browser.page("/api/v1/users").await;
    assert_page(&refused, 403);
    assert!(refused.text.contains("users:read"), "{}", refused.text);
    let start = browser.page("/api/v1").await;
    assert!(start.text.contains("It needs <code>users:read</code>"), "{}", start.text);
}

#[tokio::test]
async fn the_index_names_what_there_is() {
    let server = Server::start().await;
    let index = server.get("/api/v1").await;
    assert_eq!(index.status, 200, "{index:?}");
    let paths: Vec<&str> =
        index.body["data"].as_array().unwrap().iter().filter_map(|one| one["path"].as_str()).collect();
    for rule in access::rules() {
        let words = rule.path.iter().map(|segment| match segment {
            Segment::Literal(word) => Some(*word),
            _ => None,
        });
        let Some(words) = words.collect::<Option<Vec<_>>>() else { continue };
        let path = format!("/{}", words.join("/"));
        assert!(path == "/api/v1" || paths.contains(&path.as_str()), "{path} is not in {paths:?}");
    }
    for one in index.body["data"].as_array().unwrap() {
        let get = one["methods"].as_array().unwrap().contains(&Value::from("GET"));
        assert!(get || one["methods"][0].is_string(), "{one}");
        assert!(one["summary"].as_str().is_some_and(|words| !words.is_empty()), "{one}");
    }
}

#[tokio::test]
async fn lists_walk_back_and_forms_may_leave_fields_empty() {
    let server = Server::start().await;
    let browser = Browser::of(&server, EMAIL, &server.password).await;
    for number in 0..5 {
        server.new_event(&format!("event {number}")).await;
    }
    let link = |page: &Answer, rel: &str| {
        let at =
            page.text.find(&format!("rel=\"{rel}\"")).unwrap_or_else(|| panic!("no {rel}: {}", page.text));
        let before = &page.text[..at];
        let from = before.rfind("href=\"").unwrap() + 6;
        format!("/api/v1/events{}", before[from..].split('"').next().unwrap().replace("&amp;", "&"))
    };
    let first = browser.page("/api/v1/events?limit=2").await;
    assert!(first.text.contains("event 4") && !first.text.contains("event 2"), "{}", first.text);
    let second = browser.page(&link(&first, "next")).await;
    assert!(second.text.contains("event 2") && !second.text.contains("event 4"), "{}", second.text);
    let third = browser.page(&link(&second, "next")).await;
    assert!(third.text.contains("event 0") && !third.text.contains("rel=\"next\""), "{}", third.text);
    let back = browser.page(&link(&third, "prev")).await;
    assert!(back.text.contains("event 2") && back.text.contains("event 1"), "{}", back.text);
    assert_page(&browser.page("/api/v1/jobs?state=&kind=&limit=").await, 200);
    assert_page(&browser.page("/api/v1/jobs?state=nonsense").await, 422);
    // To programs nothing is left out.
    server.get("/api/v1/jobs?kind=").await.assert_problem(422);
    server.get("/api/v1/jobs?walked=x").await.assert_problem(422);
}

#[tokio::test]
async fn downloads_stay_downloads_and_streams_stay_streams() {
    let server = Server::start().await;
    let browser = Browser::of(&server, EMAIL, &server.password).await;
    assert_page(&browser.page("/api/v1/media/objects/none.mp4").await, 404);
    let media = server.running.app.config.data_dir.join("media");
    std::fs::create_dir_all(&media).unwrap();
    std::fs::write(media.join("one.mp4"), "not really a film").unwrap();
    let file = browser.page("/api/v1/media/objects/one.mp4").await;
    assert_eq!((file.status.as_u16(), file.text.as_str()), (200, "not really a film"), "{file:?}");
    assert_eq!(file.header("content-type"), "application/octet-stream");
    assert_eq!((file.header("content-disposition"), file.header("vary")), ("attachment", ""));
    let ranged = browser.request("/api/v1/media/objects/one.mp4").header("range", "bytes=0-2");
    assert_eq!(answer(ranged.header("cookie", &browser.cookie)).await.text, "not");
    let page = browser.page("/api/v1/stream").await;
    assert_page(&page, 200);
    assert!(page.text.contains("data-stream=\"/api/v1/stream\""), "{}", page.text);
    let stream = server.request(Method::GET, "/api/v1/stream").header("accept", "text/event-stream");
    let stream = stream.send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let post =
        answer(server.request(Method::POST, "/api/v1/events").header("accept", BROWSER).json(&json!({})))
            .await;
    post.assert_problem(422);
}
