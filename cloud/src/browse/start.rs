//! The start page: everything that the API has, by group.

use super::document::{Document, Operation};
use super::form::{method, refusal};
use super::json::{Node, pretty};
use super::page::Page;
use super::prose::{line, prose};
use http::Method;
use maud::{Markup, html};
use serde::Serialize;
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// An address of the API.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Resource {
    /// Where it is.
    pub(super) path: String,
    /// What is there, by the first of its methods.
    pub(super) summary: String,
    /// The group that it belongs to: a tag of the document.
    pub(super) group: String,
    /// What can be asked of it.
    pub(super) methods: Vec<String>,
}

/// All addresses that leave nothing open.
pub(super) fn index(document: Document<'_>) -> Vec<Resource> {
    let addresses = document.addresses().into_iter().filter(|(path, _)| path.starts_with("/api/v1/"));
    let resources = addresses.filter_map(|(path, operations)| {
        let first = operations.first()?;
        let methods = operations.iter().map(|operation| operation.method.to_string()).collect();
        let (path, summary, group) = (path.to_owned(), first.summary().to_owned(), first.tag().to_owned());
        Some(Resource { path, summary, group, methods })
    });
    resources.collect()
}

/// The groups in the document's order, with those that it says nothing of at the end.
fn groups<'a>(document: Document<'a>, index: &'a [Resource]) -> Vec<(&'a str, &'a str)> {
    let mut groups: Vec<(&str, &str)> = document.tags().collect();
    let known: BTreeSet<&str> = groups.iter().map(|(name, _)| *name).collect();
    let others: BTreeSet<&str> = index.iter().map(|resource| resource.group.as_str()).collect();
    groups.extend(others.into_iter().filter(|name| !known.contains(name)).map(|name| (name, "")));
    groups.retain(|(name, _)| index.iter().any(|resource| resource.group == *name));
    groups
}

/// The start page.
pub(super) fn start(page: &Page<'_>, get: Option<&Operation<'_>>) -> Markup {
    let index = index(page.document);
    html! {
        div.page-head {
            h1 { "Stagebox API" }
            input.input.find #find type="search" placeholder="Find a resource" aria-label="Find a resource" autocomplete="off" hidden;
            kbd.soft hidden { "/" }
        }
        p.lead {
            "Everything that programs can do at " code { (page.base) "/api/v1" } " can be done here. A program that asks the same addresses gets JSON."
        }
        p.nothing #none hidden { "Nothing here has that in its name." }
        div.groups {
            @for (name, words) in groups(page.document, &index) {
                section.card.group-card data-group aria-label=(name) {
                    div.group-head { h2 { (name) } @if !words.is_empty() { (prose(words)) } }
                    ul.resources {
                        @for resource in index.iter().filter(|resource| resource.group == name) {
                            (row(page, resource))
                        }
                    }
                }
            }
        }
        details.card.raw {
            summary { (method(&Method::GET)) code.path { (page.path) } span.soft { "the same as JSON" } }
            div.card-body {
                @if let Some(node) = Node::parse(page.body) { (pretty(&node, page.links, None)) }
                @if let Some(get) = get { (super::details::details(page, get)) }
            }
        }
    }
}

fn row(page: &Page<'_>, resource: &Resource) -> Markup {
    let operations = page.document.at(&resource.path);
    let refused = operations.first().and_then(|first| refusal(first.need(), page.who));
    let downloads = resource.path.ends_with(".json");
    html! {
        li data-find={ (resource.path) " " (resource.summary) " " (resource.group) } {
            a.resource href=(resource.path) {
                span.resource-path { (resource.path.trim_start_matches("/api/v1/")) }
                span.resource-words { (resource.summary) @if downloads { " (JSON)" } }
            }
            @if let Some(words) = &refused { span.resource-need { (line(words)) } }
            span.resource-methods { @for operation in &operations { (method(&operation.method)) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn the_index_has_what_leaves_nothing_open_in_groups() {
        let document = Document(sample::document());
        let index = index(document);
        let paths: Vec<&str> = index.iter().map(|resource| resource.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "/api/v1/devices",
                "/api/v1/devices/self/targets",
                "/api/v1/events",
                "/api/v1/files",
                "/api/v1/stream"
            ]
        );
        assert_eq!(index[2].methods, ["GET", "POST"]);
        assert_eq!(groups(document, &index), [("Events", "What is live."), ("Boxes", "Boxes.")]);
    }
}
