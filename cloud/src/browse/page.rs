//! One page: where one is, what was answered, and what can be done.

use super::details::details;
use super::document::{Document, Operation};
use super::form::{forms, method, refusal};
use super::json::{Node, pretty};
use super::links::{Links, ROOT};
use super::list;
use super::prose::line;
use super::query::Query;
use super::start;
use crate::access::Permissions;
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use maud::{Markup, html};

/// Headers of the answer that are worth a look.
const TOLD: [HeaderName; 9] = [
    header::CONTENT_TYPE,
    header::ETAG,
    header::LOCATION,
    header::ALLOW,
    header::RETRY_AFTER,
    header::LINK,
    HeaderName::from_static("deprecation"),
    HeaderName::from_static("sunset"),
    HeaderName::from_static("x-request-id"),
];

/// Whose login it is.
#[derive(Debug, Clone)]
pub(super) struct Who {
    pub(super) name: String,
    pub(super) permissions: Permissions,
}

/// What a page shows.
#[derive(Debug)]
pub(super) struct Page<'a> {
    pub(super) document: Document<'a>,
    pub(super) links: &'a Links,
    /// The server's public address.
    pub(super) base: &'a str,
    pub(super) path: &'a str,
    pub(super) query: &'a Query,
    pub(super) who: Option<&'a Who>,
    pub(super) status: StatusCode,
    pub(super) headers: &'a HeaderMap,
    /// The answer's body as it came: JSON, or nothing.
    pub(super) body: &'a [u8],
}

impl Page<'_> {
    /// The answer's ETag, with which what is shown can be changed.
    pub(super) fn etag(&self) -> Option<&str> {
        self.headers.get(header::ETAG)?.to_str().ok()
    }

    fn node(&self) -> Option<Node> {
        Node::parse(self.body)
    }

    /// What the thing of this page is called, with its id.
    pub(super) fn name(&self) -> Option<String> {
        let node = self.node().filter(|_| self.status.is_success())?;
        let word = |key: &str| node.get(key).and_then(Node::text).filter(|text| !text.is_empty());
        let name = word("title").or_else(|| word("name")).or_else(|| word("email")).or_else(|| word("url"));
        match (name, word("id")) {
            (Some(name), Some(id)) => Some(format!("“{name}” ({id})")),
            (Some(name), None) => Some(format!("“{name}”")),
            (None, id) => id.map(str::to_owned),
        }
    }

    /// What it is called in its head.
    fn heading(&self, get: Option<&Operation<'_>>) -> String {
        if !self.status.is_success() {
            return problem_title(self.status, self.node().as_ref());
        }
        let node = self.node();
        let word = |key: &str| node.as_ref().and_then(|node| node.get(key)).and_then(Node::text);
        let name = word("title").or_else(|| word("name")).or_else(|| word("email"));
        let name = name.filter(|name| !name.is_empty()).map(str::to_owned);
        name.or_else(|| get.map(|get| get.summary().to_owned())).unwrap_or_else(|| "API".to_owned())
    }

    /// The page: its title and what stands in its body.
    pub(super) fn render(&self) -> (String, Markup) {
        let own = self.document.at(self.path);
        let below = self.document.below(self.path);
        let get = own.iter().find(|operation| operation.method == Method::GET);
        let heading = self.heading(get);
        let streams = get.and_then(Operation::events).filter(|_| self.status.is_success());
        let content = html! {
            @if self.path == ROOT && self.status.is_success() {
                (start::start(self, get))
            } @else {
                (self.crumbs(&own))
                div.page-head {
                    h1 { (heading) }
                    (jumps(self, &own, &below))
                }
                div.columns {
                    div.stack {
                        @match &streams {
                            Some(events) => (stream(self, get, events)),
                            None => (self.answer(get)),
                        }
                    }
                    div.stack { (forms(self, &own, &below, self.value().as_ref())) }
                }
            }
        };
        let pairs = self.links.pairs().map(|(prefix, path)| format!("{prefix}={path}"));
        let links = pairs.collect::<Vec<_>>().join(" ");
        let page = html! {
            a.skip href="#main" { "To the content" }
            (self.top())
            main #main.browse data-links=(links) tabindex="-1" {
                div #results aria-live="polite" {}
                div #shown { (content) }
            }
        };
        (format!("{heading} – Stagebox API"), page)
    }

    fn value(&self) -> Option<serde_json::Value> {
        list::value_of(self.body).filter(|_| self.status.is_success())
    }

    fn top(&self) -> Markup {
        html! {
            header.top {
                a.brand href=(ROOT) { (logo()) "Stagebox " span { "API" } }
                nav aria-label="Pages" {
                    a href="/api/docs" { "Swagger UI" }
                    a href={ (ROOT) "/openapi.json" } { "OpenAPI" }
                    a href="/events" { "Admin pages" }
                }
                @if let Some(who) = self.who {
                    div.who {
                        span title=(who.name) { (who.name) }
                        button.btn.btn-small type="button" data-logout hidden { "Log out" }
                    }
                }
            }
        }
    }

    fn crumbs(&self, own: &[Operation<'_>]) -> Markup {
        let parts: Vec<&str> = self.path.trim_start_matches(ROOT).split('/').skip(1).collect();
        let mut address = ROOT.to_owned();
        let steps: Vec<(String, &str)> = parts
            .iter()
            .map(|part| {
                address = format!("{address}/{part}");
                (address.clone(), *part)
            })
            .collect();
        html! {
            nav.crumbs aria-label="Where you are" {
                ol {
                    li { a href=(ROOT) { "API" } }
                    @for (place, (address, part)) in steps.iter().enumerate() {
                        li {
                            @if place + 1 == steps.len() { span aria-current="page" { (part) } }
                            @else { a href=(address) { (part) } }
                        }
                    }
                }
                @if own.is_empty() && self.status.is_success() { span.soft { "not in the document" } }
            }
        }
    }

    /// The request that was made, its answer and what the document says of it.
    fn answer(&self, get: Option<&Operation<'_>>) -> Markup {
        let node = self.node();
        let problem = node.as_ref().filter(|_| !self.status.is_success());
        let things = node.as_ref().filter(|_| self.status.is_success()).and_then(list::things);
        let next = node.as_ref().and_then(|node| node.get("next")).and_then(Node::text);
        let next = next.filter(|_| things.is_some()).map(|cursor| self.query.next(cursor));
        let filter =
            get.filter(|_| self.status.is_success() || self.status == StatusCode::UNPROCESSABLE_ENTITY);
        html! {
            @if let Some(get) = filter { (list::filter(get, self.path, self.query)) }
            section.card.answer aria-label="Answer" {
                (self.request_line())
                @if let Some(problem) = problem { (problem_words(problem)) }
                @if let (Some(things), Some(body)) = (things, &node) {
                    @let single = self.document.at(&format!("{}/x", self.path));
                    @let single = single.iter().find(|one| one.method == Method::GET);
                    @let key = single.map(|one| if one.template.ends_with("/{name}") { "name" } else { "id" });
                    @if things.is_empty() { (list::empty(self.query)) }
                    (list::table(things, self.path, key, self.links))
                    (list::pager(body, self.query, things.len()))
                }
                (self.headers_and_body(node.as_ref(), next.as_deref()))
                @if let Some(get) = get { div.card-foot { (details(self, get)) } }
            }
        }
    }

    fn request_line(&self) -> Markup {
        let asked = self.query.asked();
        html! {
            div.request {
                (method(&Method::GET))
                code.path {
                    (self.path) @if !asked.is_empty() { "?" (asked) }
                }
                span.gap {}
                button.btn.btn-small type="button" data-reload hidden { "Reload" }
            }
        }
    }

    fn headers_and_body(&self, node: Option<&Node>, next: Option<&str>) -> Markup {
        let good = if self.status.is_success() { "chip-ready" } else { "chip-fault" };
        html! {
            div.response {
                div.status-line {
                    span class={ "chip " (good) } data-status=(self.status.as_str()) {
                        (self.status.as_str()) " " (self.status.canonical_reason().unwrap_or_default())
                    }
                    span.gap {}
                    button.btn.btn-bare.btn-small type="button" data-copy hidden { "Copy JSON" }
                }
                dl.headers {
                    @for name in &TOLD {
                        @if let Some(value) = self.headers.get(name).and_then(|value| value.to_str().ok()) {
                            div { dt { (name.as_str()) } dd { (value) } }
                        }
                    }
                }
                @match node {
                    Some(node) if list::things(node).is_some_and(|things| !things.is_empty()) => {
                        details.folded open { summary { "JSON" } (pretty(node, self.links, next)) }
                    }
                    Some(node) => (pretty(node, self.links, next)),
                    None => {}
                }
            }
        }
    }
}

/// Links to the forms below, so that a thumb need not look for them.
fn jumps(page: &Page<'_>, own: &[Operation<'_>], below: &[Operation<'_>]) -> Markup {
    let changing = own.iter().filter(|operation| operation.method != Method::GET);
    let usable = changing.chain(below).filter(|one| refusal(one.need(), page.who).is_none());
    html! {
        nav.jumps aria-label="Forms of this page" {
            @for operation in usable {
                a.btn.btn-small href={ "#" (operation.id()) } { (operation.summary()) }
            }
        }
    }
}

fn problem_title(status: StatusCode, problem: Option<&Node>) -> String {
    let title = problem.and_then(|problem| problem.get("title")).and_then(Node::text);
    title.or(status.canonical_reason()).unwrap_or("Error").to_owned()
}

fn problem_words(problem: &Node) -> Markup {
    let errors = match problem.get("errors") {
        Some(Node::List(errors)) => errors.as_slice(),
        _ => &[],
    };
    let word = |node: &Node, key: &str| node.get(key).and_then(Node::text).unwrap_or_default().to_owned();
    html! {
        div.fault role="alert" {
            p { (line(&word(problem, "detail"))) }
            @if !errors.is_empty() {
                ul { @for error in errors { li { code { (word(error, "field")) } " " (line(&word(error, "detail"))) } } }
            }
        }
    }
}

/// A stream's page: the script follows it.
fn stream(page: &Page<'_>, get: Option<&Operation<'_>>, events: &[&str]) -> Markup {
    html! {
        section.card.answer aria-label="Live events" data-stream=(page.path) data-events=(events.join(" ")) {
            (page.request_line())
            noscript { p.note { "To follow events the page needs JavaScript." } }
            div.stream-head {
                span.chip data-state { "not connected" }
                span.soft data-count {}
                span.gap {}
                button.btn.btn-small type="button" data-toggle { "Stop" }
                button.btn.btn-bare.btn-small type="button" data-clear { "Clear" }
            }
            ol.stream data-lines tabindex="0" aria-label="Events, the newest last" {}
            @if let Some(get) = get { div.card-foot { (details(page, get)) } }
        }
    }
}

fn logo() -> Markup {
    html! {
        svg viewBox="0 0 32 32" width="26" height="26" aria-hidden="true" {
            rect width="32" height="32" rx="7" fill="#14171c" {}
            rect x="5" y="9" width="22" height="14" rx="3" fill="none" stroke="#e8ebef" stroke-width="2.2" {}
            circle cx="21.5" cy="16" r="3" fill="#f0392f" {}
            path d="M9.5 13.5h6M9.5 18.5h6" stroke="#e8ebef" stroke-width="2.2" stroke-linecap="round" {}
        }
    }
}
