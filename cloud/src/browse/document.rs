//! The API's OpenAPI document, as the pages read it.

use super::schema::{self, Shape};
use http::Method;
use serde_json::{Map, Value};

/// References that are followed to where a schema is.
const MAX_REFERENCES: usize = 16;
/// The methods that a page can offer, in its order.
const METHODS: [(&str, Method); 5] = [
    ("get", Method::GET),
    ("post", Method::POST),
    ("put", Method::PUT),
    ("patch", Method::PATCH),
    ("delete", Method::DELETE),
];

/// An OpenAPI 3.1 document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Document<'a>(pub(super) &'a Value);

/// One operation, at an address.
#[derive(Debug, Clone)]
pub(super) struct Operation<'a> {
    document: Document<'a>,
    /// The method.
    pub(super) method: Method,
    /// The path as the document has it.
    pub(super) template: &'a str,
    /// The path with what the address says; what it leaves open is in braces.
    pub(super) path: String,
    value: &'a Value,
}

/// What an operation needs of whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need<'a> {
    /// A login, at most.
    Login,
    /// A box's id and secret.
    Device,
    /// This permission.
    Permission(&'a str),
}

/// A parameter in the path, the query or a header.
#[derive(Debug, Clone)]
pub(super) struct Parameter<'a> {
    pub(super) name: &'a str,
    pub(super) place: &'a str,
    pub(super) required: bool,
    pub(super) description: &'a str,
    pub(super) shape: Shape<'a>,
}

/// One of the answers that an operation can give.
#[derive(Debug, Clone)]
pub(super) struct Answer<'a> {
    pub(super) status: &'a str,
    pub(super) description: &'a str,
    /// By media type.
    pub(super) contents: Vec<(&'a str, Option<&'a Value>)>,
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').skip(1)
}

/// Whether a segment of a template stands for any word.
fn is_open(segment: &str) -> bool {
    segment.starts_with('{')
}

/// How many words of a template an address fills in; `None` if it does not begin like it.
fn begins(template: &str, path: &str) -> Option<usize> {
    let mut open = 0;
    let mut parts = segments(template);
    for given in segments(path) {
        let part = parts.next()?;
        if is_open(part) {
            open += 1;
        } else if part != given {
            return None;
        }
        if given.is_empty() {
            return None;
        }
    }
    Some(open)
}

/// A template with an address put into its beginning.
fn bound(template: &str, path: &str) -> String {
    let rest = segments(template).skip(segments(path).count());
    rest.fold(path.to_owned(), |path, part| format!("{path}/{part}"))
}

impl<'a> Document<'a> {
    fn paths(self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.0["paths"].as_object().into_iter().flatten().map(|(path, item)| (path.as_str(), item))
    }

    fn operations(self, template: &'a str, item: &'a Value, path: &str) -> Vec<Operation<'a>> {
        let known = METHODS.iter().filter_map(|(name, method)| Some((item.get(*name)?, method.clone())));
        let made = known.map(|(value, method)| Operation {
            document: self,
            method,
            template,
            path: bound(template, path),
            value,
        });
        made.collect()
    }

    /// What can be done at an address.
    pub(super) fn at(self, path: &str) -> Vec<Operation<'a>> {
        let count = segments(path).count();
        let same = self.paths().filter(|(template, _)| segments(template).count() == count);
        let fitting = same.filter_map(|(template, item)| Some((begins(template, path)?, template, item)));
        // A word says more than what stands for any.
        let best = fitting.min_by_key(|(open, ..)| *open);
        best.map(|(_, template, item)| self.operations(template, item, path)).unwrap_or_default()
    }

    /// What can be done below an address: with the words that it adds, as `/status` of an event, or by putting
    /// something there under a name of its own.
    pub(super) fn below(self, path: &str) -> Vec<Operation<'a>> {
        let own = self.at(path);
        let own = own.first().map(|operation| operation.template);
        let count = segments(path).count();
        let mut below = Vec::new();
        for (template, item) in self.paths() {
            let Some(next) = segments(template).nth(count) else { continue };
            let same = own.is_none_or(|own| segments(own).zip(segments(template)).all(|(a, b)| a == b));
            if !same || begins(template, path).is_none() {
                continue;
            }
            let mut found = self.operations(template, item, path);
            if is_open(next) {
                let is_last = segments(template).count() == count + 1;
                found.retain(|operation| is_last && operation.method == Method::PUT);
            }
            below.extend(found);
        }
        below
    }

    /// All operations at addresses that leave nothing open, by path.
    pub(super) fn addresses(self) -> Vec<(&'a str, Vec<Operation<'a>>)> {
        let whole = self.paths().filter(|(path, _)| !segments(path).any(is_open));
        whole.map(|(path, item)| (path, self.operations(path, item, path))).collect()
    }

    /// The tags with what they say of themselves.
    pub(super) fn tags(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let tags = self.0["tags"].as_array().into_iter().flatten();
        tags.map(|tag| (text(tag, "name"), text(tag, "description")))
    }

    /// What a value is that may be a reference.
    pub(super) fn resolve(self, mut value: &'a Value) -> &'a Value {
        for _ in 0..MAX_REFERENCES {
            let Some(pointer) = value["$ref"].as_str().and_then(|text| text.strip_prefix('#')) else { break };
            let Some(found) = self.0.pointer(pointer) else { break };
            value = found;
        }
        value
    }
}

impl<'a> Operation<'a> {
    /// What it does, in a few words.
    pub(super) fn summary(&self) -> &'a str {
        let summary = text(self.value, "summary");
        if summary.is_empty() { text(self.value, "operationId") } else { summary.trim_end_matches('.') }
    }

    /// What it does, at length.
    pub(super) fn description(&self) -> &'a str {
        text(self.value, "description")
    }

    /// The group that it belongs to.
    pub(super) fn tag(&self) -> &'a str {
        self.value["tags"][0].as_str().unwrap_or_default()
    }

    /// Whether it should be used no more.
    pub(super) fn is_deprecated(&self) -> bool {
        self.value["deprecated"] == true
    }

    /// What it needs.
    pub(super) fn need(&self) -> Need<'a> {
        match text(self.value, "x-permission") {
            "" | "login" | "public" => Need::Login,
            "device" => Need::Device,
            name => Need::Permission(name),
        }
    }

    /// A name that is its own on a page.
    pub(super) fn id(&self) -> String {
        let words: String =
            self.template.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        format!("{}{}", self.method.as_str().to_ascii_lowercase(), words.trim_start_matches("-api-v1"))
    }

    /// The names of the words that its path leaves open.
    pub(super) fn open_words(&self) -> Vec<&str> {
        let open = segments(&self.path).filter(|part| is_open(part));
        open.map(|part| part.trim_matches(|brace| brace == '{' || brace == '}')).collect()
    }

    /// Its parameters.
    pub(super) fn parameters(&self) -> Vec<Parameter<'a>> {
        let all = self.value["parameters"].as_array().into_iter().flatten();
        let all = all.map(|parameter| self.document.resolve(parameter));
        all.map(|parameter| Parameter {
            name: text(parameter, "name"),
            place: text(parameter, "in"),
            required: parameter["required"] == true,
            description: text(parameter, "description"),
            shape: schema::shape(self.document, &parameter["schema"]),
        })
        .collect()
    }

    /// Whether it heeds a header.
    pub(super) fn heeds(&self, header: &str) -> bool {
        let own = self.parameters();
        own.iter().any(|one| one.place == "header" && one.name.eq_ignore_ascii_case(header))
    }

    fn body_of(&self) -> Option<&'a Value> {
        self.value.get("requestBody").map(|body| self.document.resolve(body))
    }

    /// The shape of its JSON body, and whether it must be there.
    pub(super) fn body(&self) -> Option<(Shape<'a>, bool)> {
        let body = self.body_of()?;
        let schema = body["content"]["application/json"].get("schema")?;
        Some((schema::shape(self.document, schema), body["required"] == true))
    }

    /// Whether its body is a file as it is.
    pub(super) fn takes_file(&self) -> bool {
        let contents = self.body_of().and_then(|body| body["content"].as_object());
        contents.is_some_and(|contents| !contents.is_empty() && !contents.contains_key("application/json"))
    }

    /// An example of its JSON body.
    pub(super) fn example(&self) -> Option<&'a Value> {
        let content = self.body_of()?["content"].get("application/json")?;
        let named = || content["examples"].as_object()?.values().next()?.get("value");
        content.get("example").or_else(named)
    }

    /// What it can answer.
    pub(super) fn answers(&self) -> Vec<Answer<'a>> {
        let all = self.value["responses"].as_object().into_iter().flatten();
        all.map(|(status, answer)| {
            let answer = self.document.resolve(answer);
            let contents = answer["content"].as_object().into_iter().flatten();
            let contents = contents.map(|(kind, content)| (kind.as_str(), content.get("schema")));
            Answer { status, description: text(answer, "description"), contents: contents.collect() }
        })
        .collect()
    }

    /// The shape of a schema of the document that it is in.
    pub(super) fn shape(&self, schema: &'a Value) -> Shape<'a> {
        schema::shape(self.document, schema)
    }

    /// The events that it goes on to send; `None` if its answer comes at once.
    pub(super) fn events(&self) -> Option<Vec<&'a str>> {
        let streams = self.answers().iter().any(|answer| {
            answer.status.starts_with('2')
                && answer.contents.iter().any(|(kind, _)| *kind == "text/event-stream")
        });
        let names = self.value["x-events"].as_array().into_iter().flatten();
        streams.then(|| names.filter_map(Value::as_str).collect())
    }

    /// The properties of its good answer, as the document has them.
    pub(super) fn answer_properties(&self) -> Option<&'a Map<String, Value>> {
        let answers = self.answers();
        let good = answers.iter().find(|answer| answer.status.starts_with('2'))?;
        let schema = good.contents.iter().find_map(|(_, schema)| *schema)?;
        self.document.resolve(schema)["properties"].as_object()
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn names(operations: &[Operation<'_>]) -> Vec<String> {
        operations.iter().map(|one| format!("{} {}", one.method, one.path)).collect()
    }

    #[test]
    fn an_address_finds_its_operations() {
        let document = Document(sample::document());
        assert_eq!(names(&document.at("/api/v1/events")), ["GET /api/v1/events", "POST /api/v1/events"]);
        let one = document.at("/api/v1/events/evt_1");
        assert_eq!(one[0].template, "/api/v1/events/{event}");
        assert_eq!(names(&document.at("/api/v1/devices/self/targets")), ["GET /api/v1/devices/self/targets"]);
        for nothing in ["/api/v1/nothing", "/api/v1/events/", "/api/v1/events/a/b", "/", ""] {
            assert!(document.at(nothing).is_empty(), "{nothing}");
        }
    }

    #[test]
    fn what_is_below_an_address_keeps_what_it_says() {
        let document = Document(sample::document());
        let below = document.below("/api/v1/events/evt_1");
        assert_eq!(names(&below), ["POST /api/v1/events/evt_1/status"]);
        let below = document.below("/api/v1/devices/box_1");
        assert_eq!(names(&below), ["POST /api/v1/devices/box_1/commands/{name}"]);
        assert_eq!(below[0].open_words(), ["name"]);
        assert_eq!(names(&document.below("/api/v1/devices")), ["GET /api/v1/devices/self/targets"]);
        assert!(document.below("/api/v1/events/evt_1/status").is_empty());
        let files = document.below("/api/v1/files");
        assert_eq!(names(&files), ["PUT /api/v1/files/{name}"]);
        assert!(files[0].takes_file() && !document.at("/api/v1/events")[1].takes_file());
    }

    #[test]
    fn streams_are_known_by_what_they_answer() {
        let document = Document(sample::document());
        assert_eq!(document.at("/api/v1/stream")[0].events(), Some(vec!["change", "alive"]));
        assert_eq!(document.at("/api/v1/events")[0].events(), None);
    }
}
