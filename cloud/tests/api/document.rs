//! The API's document against the table of routes, and against what the server really answers.

use super::access::{path_with, things};
use super::server::{Answer, Server, answer};
use jsonschema::Validator;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use stagebox_cloud::access::{self, Need, Rule, Segment, Thing};
use stagebox_cloud::openapi;
use std::collections::BTreeSet;

/// A rule's path as the document has it.
fn template(rule: &Rule) -> String {
    let segment = |segment: &Segment| match segment {
        Segment::Literal(word) => format!("/{word}"),
        Segment::Id(thing) => format!("/{{{}}}", thing.name()),
        Segment::Name => "/{name}".to_owned(),
        Segment::Rest => "/{path}".to_owned(),
    };
    rule.path.iter().map(segment).collect()
}

/// Every operation with its path and method.
fn operations() -> Vec<(String, String, &'static Value)> {
    let paths = openapi::document()["paths"].as_object().unwrap().iter();
    let of_path = |(path, item): (&String, &'static Value)| {
        let path = path.clone();
        item.as_object().unwrap().iter().map(move |(method, one)| (path.clone(), method.to_uppercase(), one))
    };
    paths.flat_map(of_path).collect()
}

fn operation(rule: &Rule) -> &'static Value {
    &openapi::document()["paths"][template(rule)][rule.method.as_str().to_lowercase()]
}

/// What a `$ref` stands for.
fn resolved(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(reference) => openapi::document().pointer(reference.strip_prefix('#').unwrap()).unwrap(),
        None => value,
    }
}

#[test]
fn the_document_has_the_operations_of_the_table_and_no_others() {
    let table: BTreeSet<(String, String)> =
        access::rules().map(|rule| (template(rule), rule.method.to_string())).collect();
    let document: BTreeSet<(String, String)> =
        operations().into_iter().map(|(path, method, _)| (path, method)).collect();
    assert_eq!(document, table);
    for rule in access::rules() {
        let named = rule.path.iter().filter_map(|segment| match segment {
            Segment::Literal(_) => None,
            Segment::Id(thing) => Some(thing.name()),
            Segment::Name => Some("name"),
            Segment::Rest => Some("path"),
        });
        let empty = Vec::new();
        let parameters = operation(rule)["parameters"].as_array().unwrap_or(&empty);
        let in_path = parameters.iter().filter(|one| one["in"] == "path");
        let in_path: Vec<&str> = in_path.map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(in_path, named.collect::<Vec<_>>(), "{rule:?}");
        let permission = operation(rule)["x-permission"].as_str();
        let need = match rule.need {
            Need::Public => "public",
            Need::Login => "login",
            Need::Device => "device",
            Need::Permission(permission) => permission.name(),
        };
        assert_eq!(permission, Some(need), "{rule:?}");
    }
}

#[test]
fn every_operation_is_described_and_its_answers_have_schemas() {
    let mut ids = BTreeSet::new();
    let tags: Vec<&str> = openapi::document()["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| tag["name"].as_str().unwrap())
        .collect();
    for (path, method, operation) in operations() {
        let words = |key: &str| operation[key].as_str().is_some_and(|text| !text.trim().is_empty());
        assert!(words("summary") && words("description"), "{method} {path}");
        assert!(!operation["description"].as_str().unwrap().starts_with("\n"), "{method} {path}");
        assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{method} {path}");
        assert!(operation["security"].is_array(), "{method} {path}");
        let tag = operation["tags"][0].as_str().unwrap();
        assert!(tags.contains(&tag), "{method} {path}: {tag}");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["description"].is_string(), "{method} {path}: {parameter}");
        }
        let responses = operation["responses"].as_object().unwrap();
        let good: Vec<_> = responses.iter().filter(|(status, _)| status.starts_with('2')).collect();
        assert!(!good.is_empty(), "{method} {path}");
        for (status, response) in responses {
            let response = resolved(response);
            assert!(
                response["description"].as_str().is_some_and(|text| !text.is_empty()),
                "{method} {path} {status}"
            );
            let bare = ["204", "302", "304", "416"].contains(&status.as_str());
            let content = response["content"].as_object();
            assert_eq!(content.is_none(), bare, "{method} {path} {status}");
            for (kind, media) in content.into_iter().flatten() {
                assert!(media["schema"].is_object(), "{method} {path} {status} {kind}");
            }
        }
        // Files, and bytes that mean nothing, are sent as they are.
        let is_file = |body: &&Value| {
            ["*/*", "application/octet-stream"].iter().any(|kind| body["content"].get(kind).is_some())
        };
        if let Some(body) = operation.get("requestBody").filter(|body| !is_file(body)) {
            let media = &body["content"]["application/json"];
            let schema =
                media["schema"]["$ref"].as_str().unwrap_or_else(|| panic!("{method} {path}: {body}"));
            assert!(media["example"].is_object(), "{method} {path}");
            assert!(validator(schema).is_valid(&media["example"]), "{method} {path}");
            assert_eq!(resolved(&media["schema"])["additionalProperties"], false, "{method} {path}");
        }
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_field_is_described() {
    let mut look = vec![openapi::document()];
    while let Some(value) = look.pop() {
        match value {
            Value::Array(values) => look.extend(values),
            Value::Object(object) => {
                if value["$ref"].is_string() {
                    assert!(resolved(value).is_object(), "{value}");
                }
                look.extend(object.values());
            }
            _ => {}
        }
    }
    for (name, schema) in openapi::document()["components"]["schemas"].as_object().unwrap() {
        assert!(schema["description"].is_string(), "{name}: {schema}");
        assert!(!schema.to_string().contains("allOf"), "{name}");
        for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
            assert!(schema["description"].is_string(), "{name}.{field}: {schema}");
            assert!(schema["title"].is_string(), "{name}.{field}");
        }
    }
}

/// Checks against a schema of the document.
fn validator(reference: &str) -> Validator {
    compiled(&json!({ "$ref": reference }))
}

fn compiled(schema: &Value) -> Validator {
    let mut whole = schema.clone();
    whole["components"] = openapi::document()["components"].clone();
    jsonschema::options().should_validate_formats(true).build(&whole).unwrap()
}

/// Looks whether the document has this answer, and describes it rightly.
fn check(rule: &Rule, answer: &Answer) {
    let status = answer.status.as_str();
    let response = &operation(rule)["responses"][status];
    assert!(response.is_object(), "{rule:?} answers {status}, which the document has not: {answer:?}");
    let response = resolved(response);
    for name in response["headers"].as_object().into_iter().flatten().map(|(name, _)| name) {
        assert!(answer.headers.contains_key(name.as_str()), "{rule:?}: {name} is missing: {answer:?}");
    }
    let kind = answer.header("content-type");
    let essence = kind.split(';').next().unwrap();
    let Some(content) = response["content"].as_object() else {
        assert_eq!((kind, answer.text.as_str()), ("", ""), "{rule:?}");
        return;
    };
    let media = content.get(essence).unwrap_or_else(|| panic!("{rule:?} answers {kind}: {answer:?}"));
    let lines: Vec<Value> = match essence {
        "application/x-ndjson" => {
            answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        }
        _ => vec![answer.body.clone()],
    };
    let validator = compiled(&media["schema"]);
    for line in lines {
        let errors: Vec<String> =
            validator.iter_errors(&line).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{rule:?} {status}: {errors:?}: {line}");
    }
}

/// A body as the document shows it, with what is of this server.
fn body(rule: &Rule, server: &Server, role: &str, event: &str) -> Option<Value> {
    let mut body = operation(rule)["requestBody"]["content"]["application/json"]["example"].clone();
    for (field, value) in body.as_object_mut()? {
        match field.as_str() {
            "role" => *value = role.into(),
            "current" => *value = server.password.clone().into(),
            "email" if rule.path.len() == 3 && template(rule).ends_with("session") => {
                *value = super::server::EMAIL.into();
            }
            "password"
                if template(rule).ends_with("session") || template(rule).contains("/second-factor") =>
            {
                *value = server.password.clone().into();
            }
            "url" => *value = "http://127.0.0.1:9/hook".into(),
            "event_id" => *value = event.into(),
            _ => {}
        }
    }
    Some(body)
}

/// An include file, under the name that paths of rules have.
async fn put_file(server: &Server) {
    let file =
        server.request(Method::PUT, "/api/v1/include-files/identify").header("content-type", "text/css");
    assert_eq!(answer(file.body("b{}")).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_answers_as_the_document_says_and_takes_its_examples() {
    let server = Server::start().await;
    let made = server.post("/api/v1/tokens", json!({ "name": "test" })).await;
    let token = made.body["token"].as_str().unwrap().to_owned();
    let ask = |method: Method, path: &str| server.anonymous(method, path).bearer_auth(&token);
    let things = things(&server, &ask).await;
    let of = |thing: Thing| things.iter().find(|(known, _)| *known == thing).unwrap().1.clone();
    let device = server.post("/api/v1/devices", json!({ "name": "Box" })).await.body;
    let secret = device["secret"].as_str().unwrap();
    // Before it is read.
    server
        .request(Method::PUT, "/api/v1/hook")
        .json(&json!({ "url": "http://127.0.0.1:9/" }))
        .send()
        .await
        .unwrap();
    put_file(&server).await;
    let order = |rule: &&Rule| match (rule.method.as_str(), template(rule).as_str()) {
        ("DELETE", "/api/v1/session") => 1,
        (_, "/api/v1/session/password" | "/api/v1/users/{user}/erase") => 3,
        ("DELETE", _) => 2,
        ("GET", _) => 0,
        _ => 1,
    };
    let mut rules: Vec<&Rule> = access::rules().collect();
    rules.sort_by_key(order);
    for rule in rules {
        let path = path_with(rule, of);
        let session = template(rule).ends_with("/session") && rule.method != Method::POST;
        let mut request: RequestBuilder = match rule.need {
            Need::Device => server
                .anonymous(rule.method.clone(), &path)
                .basic_auth(device["id"].as_str().unwrap(), Some(secret)),
            _ if session => {
                let login =
                    super::access::Login::of(&server, super::server::EMAIL, &server.password).await.unwrap();
                login.request(&server, rule.method.clone(), &path)
            }
            _ => ask(rule.method.clone(), &path),
        };
        if let Some(body) = body(rule, &server, &of(Thing::Role), &of(Thing::Event)) {
            request = request.json(&body);
        }
        if operation(rule)["operationId"] == "putIncludeFile" {
            request = request.header("content-type", "text/css").body("a{}");
        }
        if operation(rule)["responses"]["200"]["content"]["text/event-stream"].is_object() {
            let response = request.send().await.unwrap();
            assert_eq!(
                (response.status().as_u16(), &response.headers()["content-type"]),
                (200, &"text/event-stream".parse().unwrap()),
                "{rule:?}"
            );
            continue;
        }
        let answer = answer(request).await;
        check(rule, &answer);
        // Nothing has failed, no box is there, and the store has no such object.
        let refused = match operation(rule)["operationId"].as_str().unwrap() {
            "retryJob" | "renewRecoveryCodes" | "disableSecondFactor" | "askPasswordReset" => Some(409),
            "commandDevice" => Some(503),
            "downloadObject"
            | "downloadItem"
            | "readUserExport"
            | "endSession"
            | "takeOffSecondFactor"
            | "eraseUser" => Some(404),
            // Nobody has the app that shows the code, or the link; no mail is sent; and the user is deleted before.
            "loginWithCode" => Some(401),
            "confirmSecondFactor" | "redeemPasswordReset" => Some(422),
            // The role is its user's, and the user is deleted before it or after.
            "deleteRole" if answer.status == 409 => Some(409),
            _ => None,
        };
        match refused {
            Some(status) => assert_eq!(answer.status, status, "{rule:?}: {answer:?}"),
            None => assert!(answer.status.is_success(), "{rule:?}: {answer:?}"),
        }
    }
}

#[tokio::test]
async fn the_document_is_sent_once_and_shown_by_pages_of_this_server() {
    let server = Server::start().await;
    let get = |path: &str| server.anonymous(Method::GET, path);
    let first = answer(get("/api/v1/openapi.json")).await;
    assert_eq!((first.status.as_u16(), first.header("content-type")), (200, "application/json"));
    assert_eq!(&first.body, openapi::document());
    assert_eq!(first.body["openapi"], "3.1.0");
    let own = answer(get("/api/v1/openapi.json").header("accept", "application/vnd.oai.openapi+json")).await;
    assert_eq!(own.header("content-type"), "application/vnd.oai.openapi+json;version=3.1");
    let again = answer(get("/api/v1/openapi.json").header("if-none-match", first.header("etag"))).await;
    assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""));

    let page = answer(get("/api/docs")).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("docs.js") && !page.text.contains("://"), "{}", page.text);
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'self'") && !policy.contains("script-src"), "{policy}");
    for (file, kind) in [
        ("docs.js", "text/javascript"),
        ("swagger-ui-bundle.js", "text/javascript"),
        ("swagger-ui.css", "text/css"),
        ("favicon-32x32.png", "image/png"),
    ] {
        let file = get(&format!("/api/docs/{file}")).send().await.unwrap();
        assert_eq!(file.status(), 200, "{file:?}");
        assert!(file.headers()["content-type"].to_str().unwrap().starts_with(kind), "{file:?}");
    }
    for nothing in ["/api/docs/index.html", "/api/docs/oauth2-redirect.html", "/api/docs/../v1/events"] {
        assert!(answer(get(nothing)).await.status.is_client_error(), "{nothing}");
    }
    answer(server.anonymous(Method::POST, "/api/docs/")).await.assert_problem(405);
}
