//! The API's document (OpenAPI 3.1), made out of the code, and its pages.
//!
//! Each slice describes its operations beside its handlers and exports them as `Operations`. What many of them share
//! is added here, in one place: what a request needs, out of `access/table.txt` ([`operations`]), the problems that it
//! can answer ([`problems`]), and plain schemas ([`schemas`]).

mod conventions;
mod http;
mod operations;
mod problems;
mod schemas;

pub(crate) use http::{docs_routes, routes};

use crate::access::Rule;
use crate::{
    account, alarm, batch, browse, cluster, device, event, feed, hook, include, item, job, live, log, media,
    personal, recording, settings, simulcast,
};
use serde_json::{Value, json};
use std::sync::LazyLock;
use utoipa::OpenApi;

/// What holds for the whole API.
const DESCRIPTION: &str = include_str!("description.md");

static DOCUMENT: LazyLock<Value> = LazyLock::new(build);
static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| serde_json::to_vec(document()).unwrap_or_default());

/// The document.
pub fn document() -> &'static Value {
    &DOCUMENT
}

/// The document as it is sent.
pub fn bytes() -> &'static [u8] {
    &BYTES
}

/// The names of the fields of what a route reads, if that is JSON.
pub(crate) fn answer_fields(rule: &Rule) -> Vec<String> {
    operations::answer_fields(rule, document())
}

/// The slices' operations.
fn slices() -> Vec<utoipa::openapi::OpenApi> {
    vec![
        http::Operations::openapi(),
        browse::Operations::openapi(),
        account::SessionOperations::openapi(),
        account::SessionListOperations::openapi(),
        account::SecondFactorOperations::openapi(),
        account::ResetOperations::openapi(),
        account::TenantOperations::openapi(),
        settings::Operations::openapi(),
        include::Operations::openapi(),
        account::UserOperations::openapi(),
        personal::Operations::openapi(),
        account::RoleOperations::openapi(),
        log::Operations::openapi(),
        account::TokenOperations::openapi(),
        event::Operations::openapi(),
        live::ConformanceOperations::openapi(),
        live::HealthOperations::openapi(),
        recording::Operations::openapi(),
        simulcast::Operations::openapi(),
        item::Operations::openapi(),
        device::Operations::openapi(),
        hook::Operations::openapi(),
        job::Operations::openapi(),
        batch::Operations::openapi(),
        feed::Operations::openapi(),
        alarm::Operations::openapi(),
        cluster::Operations::openapi(),
        media::Operations::openapi(),
        media::check::Operations::openapi(),
    ]
}

/// What operations are grouped by, in the order in which pages show them.
const TAGS: &[(&str, &str)] = &[
    ("session", "Logging in and out, and one's own password, second factor and sessions."),
    ("events", "Live events: what is to be seen, whether it is on, and the keys to push it with."),
    ("recordings", "The spans of events that were recorded."),
    ("simulcasts", "Servers of others that events are pushed to."),
    ("items", "What is to be watched on demand."),
    ("devices", "Capture boxes: what they measure, where they push to, and commands such as GO LIVE."),
    ("jobs", "What runs in the background."),
    ("hook", "Notifications to a server of one's own."),
    ("changes", "What changes in the account, as it happens."),
    ("account", "The account itself, its limits and its settings."),
    ("files", "Small files of the account that pages use: logos, fonts, style sheets."),
    ("users", "Who can log in."),
    ("roles", "What users may do."),
    ("tokens", "Logins for programs."),
    ("log", "Who did what, and who logged in from where."),
    ("servers", "The installation: its processes, alarms and media store."),
    ("document", "This document, and the index of what there is."),
];

fn build() -> Value {
    let mut whole = utoipa::openapi::OpenApi::default();
    for slice in slices() {
        whole.merge(slice);
    }
    // What has been derived has no part that is no JSON.
    let mut document = serde_json::to_value(&whole).unwrap_or_default();
    document["info"] = json!({
        "title": "Stagebox",
        "version": env!("CARGO_PKG_VERSION"),
        "summary": "Live events, recordings, items and who may watch them.",
        "description": DESCRIPTION,
        "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
    });
    document["servers"] = json!([{ "url": "/", "description": "The server that this document comes from." }]);
    let tag = |(name, words): &(&str, &str)| json!({ "name": name, "description": words });
    document["tags"] = TAGS.iter().map(tag).collect();
    schemas::plain(&mut document);
    operations::complete(&mut document);
    document
}
