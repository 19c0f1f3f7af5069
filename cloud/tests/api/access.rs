//! The table of routes against every role, and users, roles and tokens.

use super::server::{Answer, EMAIL, Server, answer};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::json;
use stagebox_cloud::access::{self, Need, Permission, Permissions, Rule, Segment, Thing};
use stagebox_cloud::account::{AccountCommand, WantedLimits};
use stagebox_cloud::http::Rate;
use stagebox_cloud::id::{BoxId, EventId, ItemId, JobId, RecordingId, RoleId, SimulcastId, TokenId, UserId};

const PASSWORD: &str = "correct horse battery";

/// Somebody with a session.
#[derive(Debug)]
pub(super) struct Login {
    cookie: String,
    csrf: String,
}

impl Login {
    pub(super) async fn of(server: &Server, email: &str, password: &str) -> Result<Self, Answer> {
        let body = json!({ "email": email, "password": password });
        let answer = answer(server.anonymous(Method::POST, "/api/v1/session").json(&body)).await;
        if answer.status != StatusCode::OK {
            return Err(answer);
        }
        let cookie = answer.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
        Ok(Self { cookie, csrf: answer.body["csrf"].as_str().unwrap_or_default().to_owned() })
    }

    pub(super) fn request(&self, server: &Server, method: Method, path: &str) -> RequestBuilder {
        server.anonymous(method, path).header("cookie", &self.cookie).header("x-csrf-token", &self.csrf)
    }
}

/// Makes a role with these permissions and a user who has it.
async fn user_with(server: &Server, name: &str, permissions: Permissions) -> String {
    let role = server.post("/api/v1/roles", json!({ "name": name, "permissions": permissions })).await;
    assert_eq!(role.status, 201, "{role:?}");
    let email = format!("{name}@example.org");
    let user = json!({ "email": email, "role": role.body["id"], "password": PASSWORD });
    let user = server.post("/api/v1/users", user).await;
    assert_eq!(user.status, 201, "{user:?}");
    email
}

/// An id that nobody has.
fn nobodys(thing: Thing) -> String {
    match thing {
        Thing::Device => BoxId::random().to_string(),
        Thing::Event => EventId::random().to_string(),
        Thing::Item => ItemId::random().to_string(),
        Thing::Job => JobId::random().to_string(),
        Thing::Recording => RecordingId::random().to_string(),
        Thing::Role => RoleId::random().to_string(),
        Thing::Simulcast => SimulcastId::random().to_string(),
        Thing::Token => TokenId::random().to_string(),
        Thing::User => UserId::random().to_string(),
    }
}

/// A path of this rule with these ids.
pub(super) fn path_with(rule: &Rule, id: impl Fn(Thing) -> String) -> String {
    let segments = rule.path.iter().map(|segment| match segment {
        Segment::Literal(word) => (*word).to_owned(),
        Segment::Id(thing) => id(*thing),
        Segment::Name if rule.path.contains(&Segment::Literal("inputs")) => "main".to_owned(),
        Segment::Name | Segment::Rest => "identify".to_owned(),
    });
    format!("/{}", segments.collect::<Vec<_>>().join("/"))
}

fn path_of(rule: &Rule) -> String {
    path_with(rule, nobodys)
}

/// The status alone: a stream's body has no end.
async fn status(request: RequestBuilder) -> StatusCode {
    request.send().await.unwrap().status()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_is_open_to_those_whose_role_says_so_and_to_nobody_else() {
    // Every route for every permission is more than one address may ask for so quickly.
    let unlimited = Rate { per_s: 0, burst: 0 };
    let server = Server::start_with(|config| config.http.rates.address = unlimited).await;
    for rule in access::rules() {
        let anonymous = status(server.anonymous(rule.method.clone(), &path_of(rule))).await;
        match rule.need {
            Need::Public => assert_ne!(anonymous, StatusCode::UNAUTHORIZED, "{rule:?}"),
            _ => assert_eq!(anonymous, StatusCode::UNAUTHORIZED, "{rule:?}"),
        }
    }
    // Every permission alone, none, and all of them.
    let mut sets: Vec<Permissions> = Permission::ALL.iter().map(|one| [*one].into_iter().collect()).collect();
    sets.extend([Permissions::default(), Permissions::all()]);
    for (number, permissions) in sets.into_iter().enumerate() {
        let email = user_with(&server, &format!("set{number}"), permissions).await;
        let login = Login::of(&server, &email, PASSWORD).await.unwrap();
        for rule in access::rules() {
            let Need::Permission(permission) = rule.need else { continue };
            let mut request = login.request(&server, rule.method.clone(), &path_of(rule));
            if rule.method != Method::GET && rule.method != Method::DELETE {
                request = request.json(&json!({}));
            }
            let status = status(request).await;
            let refused = status == StatusCode::FORBIDDEN;
            assert_eq!(refused, !permissions.has(permission), "{permissions}: {rule:?} answers {status}");
            assert_ne!(status, StatusCode::UNAUTHORIZED, "{permissions}: {rule:?}");
            assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{permissions}: {rule:?}");
        }
        // HTTP Basic is the API: it needs `api:use` whatever else is asked.
        let basic = server.anonymous(Method::GET, "/api/v1/permissions").basic_auth(&email, Some(PASSWORD));
        let opened = status(basic).await == StatusCode::OK;
        assert_eq!(opened, permissions.has(Permission::AccessApi), "{permissions}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_administrator_stays() {
    let server = Server::start().await;
    let users = server.get("/api/v1/users").await;
    let admin = &users.body["data"][0];
    let path = format!("/api/v1/users/{}", admin["id"].as_str().unwrap());
    let roles = server.get("/api/v1/roles").await;
    let role = |name: &str| {
        let roles = roles.body["data"].as_array().unwrap();
        roles.iter().find(|role| role["name"] == name).unwrap()["id"].clone()
    };
    for change in [json!({ "role": role("Crew") }), json!({ "active": false }), json!({ "api_only": true })] {
        let refused = server.patch(&path, change).await;
        assert_eq!(refused.status, 409, "{refused:?}");
        assert!(refused.text.contains("last administrator"), "{refused:?}");
    }
    assert_eq!(answer(server.request(Method::DELETE, &path)).await.status, 409);
    let own = format!("/api/v1/roles/{}", role("Administrator").as_str().unwrap());
    assert_eq!(server.patch(&own, json!({ "permissions": [] })).await.status, 409);

    // With a second one, either may go, but not both, even at the same moment.
    let other = json!({ "email": "b@example.org", "role": role("Administrator"), "password": PASSWORD });
    let other = server.post("/api/v1/users", other).await;
    let other = format!("/api/v1/users/{}", other.body["id"].as_str().unwrap());
    let (one, two) = tokio::join!(
        server.patch(&path, json!({ "role": role("Viewer") })),
        answer(
            server
                .anonymous(Method::PATCH, &other)
                .basic_auth("b@example.org", Some(PASSWORD))
                .json(&json!({ "role": role("Viewer") }))
        ),
    );
    let done = [&one, &two].iter().filter(|answer| answer.status == 200).count();
    assert_eq!(done, 1, "{one:?} {two:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gives_what_they_have_not() {
    let server = Server::start().await;
    let permissions =
        Permissions::parse(&["users:read", "users:write", "api:use"].map(str::to_owned)).unwrap();
    let email = user_with(&server, "clerk", permissions).await;
    let ask = |method: Method, path: &str| server.anonymous(method, path).basic_auth(&email, Some(PASSWORD));
    let roles = answer(ask(Method::GET, "/api/v1/roles")).await;
    let admin =
        roles.body["data"].as_array().unwrap().iter().find(|role| role["administrator"] == true).unwrap();
    let new = json!({ "email": "x@example.org", "role": admin["id"] });
    let refused = answer(ask(Method::POST, "/api/v1/users").json(&new)).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    assert!(refused.text.contains("events:write"), "{refused:?}");
    let more = json!({ "name": "More", "permissions": ["events:run"] });
    assert_eq!(answer(ask(Method::POST, "/api/v1/roles").json(&more)).await.status, 403);
    let administrator = answer(ask(Method::GET, "/api/v1/users")).await;
    let users = administrator.body["data"].as_array().unwrap();
    let administrator = users.iter().find(|user| user["email"] == EMAIL).unwrap()["id"].as_str().unwrap();
    for (method, path) in [
        (Method::POST, format!("/api/v1/users/{administrator}/password")),
        (Method::DELETE, format!("/api/v1/users/{administrator}")),
    ] {
        assert_eq!(answer(ask(method, &path)).await.status, 403, "{path}");
    }
    let less = json!({ "name": "Less", "permissions": ["users:read"] });
    assert_eq!(answer(ask(Method::POST, "/api/v1/roles").json(&less)).await.status, 201);
    let token = json!({ "name": "t", "permissions": ["events:read"] });
    assert_eq!(answer(ask(Method::POST, "/api/v1/tokens").json(&token)).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_made_changed_and_taken_away() {
    let server = Server::start().await;
    let roles = server.get("/api/v1/roles").await;
    let role = roles.body["data"].as_array().unwrap().iter().find(|role| role["name"] == "Producer").unwrap();
    let wrong =
        server.post("/api/v1/users", json!({ "email": "nobody", "name": "", "password": "short" })).await;
    assert_eq!(
        (wrong.status, wrong.fields()),
        (StatusCode::UNPROCESSABLE_ENTITY, vec!["email", "name", "password", "role"])
    );
    let gone = json!({ "email": "p@example.org", "role": RoleId::random() });
    assert_eq!(server.post("/api/v1/users", gone).await.fields(), ["role"]);
    let made = server.post("/api/v1/users", json!({ "email": "p@example.org", "role": role["id"] })).await;
    assert_eq!(made.status, 201, "{made:?}");
    let drawn = made.body["password"].as_str().unwrap().to_owned();
    let path = made.header("location").to_owned();
    let again = server.post("/api/v1/users", json!({ "email": "P@Example.org", "role": role["id"] })).await;
    assert_eq!(again.fields(), ["email"], "{again:?}");
    let read = server.get(&path).await;
    assert_eq!((read.header("etag"), read.body.get("password")), ("\"1\"", None));

    let login = Login::of(&server, "p@example.org", &drawn).await.unwrap();
    let change = |current: &str| json!({ "current": current, "new": PASSWORD });
    let own = |login: &Login| login.request(&server, Method::PUT, "/api/v1/session/password");
    assert_eq!(answer(own(&login).json(&change("wrong"))).await.fields(), ["current"]);
    let second = Login::of(&server, "p@example.org", &drawn).await.unwrap();
    assert_eq!(answer(own(&login).json(&change(&drawn))).await.status, 204);
    assert_eq!(
        status(login.request(&server, Method::GET, "/api/v1/session")).await,
        200,
        "its own session stays"
    );
    assert_eq!(status(second.request(&server, Method::GET, "/api/v1/session")).await, 401, "others end");
    assert!(Login::of(&server, "p@example.org", &drawn).await.is_err());

    let stale =
        server.request(Method::PATCH, &path).header("if-match", "\"1\"").json(&json!({ "name": "P" }));
    assert_eq!(answer(stale).await.status, 412);
    assert_eq!(server.patch(&path, json!({ "name": "P", "active": false })).await.body["name"], "P");
    assert_eq!(status(login.request(&server, Method::GET, "/api/v1/session")).await, 401, "switched off");
    assert_eq!(Login::of(&server, "p@example.org", PASSWORD).await.unwrap_err().status, 401);
    server.patch(&path, json!({ "active": true, "api_only": true })).await;
    assert_eq!(Login::of(&server, "p@example.org", PASSWORD).await.unwrap_err().status, 403);
    assert_eq!(answer(server.request(Method::DELETE, &path)).await.status, 204);
    assert_eq!(server.get(&path).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_shown_once_limited_and_taken_back() {
    let server = Server::start().await;
    let new = json!({ "name": "Rundown", "permissions": ["events:read"], "expires_in_days": 1 });
    let made = server.post("/api/v1/tokens", new).await;
    assert_eq!(made.status, 201, "{made:?}");
    let token = made.body["token"].as_str().unwrap().to_owned();
    let with = |token: &str, method: Method, path: &str| server.anonymous(method, path).bearer_auth(token);
    assert_eq!(status(with(&token, Method::GET, "/api/v1/events")).await, 200);
    let refused = answer(with(&token, Method::GET, "/api/v1/users")).await;
    assert_eq!(refused.status, 403);
    assert!(refused.text.contains("users:read"), "{refused:?}");
    let list = server.get("/api/v1/tokens").await;
    assert!(!list.text.contains(&token) && list.body["data"][0]["last_used_at"].is_string(), "{list:?}");
    assert_eq!(status(with("sbx_wrong", Method::GET, "/api/v1/events")).await, 401);
    let wrong = server.post("/api/v1/tokens", json!({ "expires_at": "2020-01-01T00:00:00Z" })).await;
    assert_eq!(wrong.fields(), ["expires_at", "name"]);
    assert_eq!(answer(server.request(Method::DELETE, made.header("location"))).await.status, 204);
    assert_eq!(status(with(&token, Method::GET, "/api/v1/events")).await, 401);
    // What is kept of it cannot be used.
    let all = made.body.as_object().unwrap();
    assert!(!all.contains_key("hash"), "{made:?}");
}

/// One of each thing that an account can have.
pub(super) async fn things(
    server: &Server,
    ask: &dyn Fn(Method, &str) -> RequestBuilder,
) -> Vec<(Thing, String)> {
    let made = async |path: &str, body: serde_json::Value| {
        let made = answer(ask(Method::POST, path).json(&body)).await;
        assert_eq!(made.status, 201, "{made:?}");
        made.body["id"].as_str().unwrap().to_owned()
    };
    let event = made("/api/v1/events", json!({ "title": "Secret show" })).await;
    let simulcast = json!({ "event_id": event, "service": "facebook", "key": "k" });
    let role = made("/api/v1/roles", json!({ "name": "Own", "permissions": [] })).await;
    let device = made("/api/v1/devices", json!({ "name": "Own box" })).await;
    let user = json!({ "email": format!("{}@example.org", &role[4..]), "role": role });
    let user = made("/api/v1/users", user).await;
    let token = made("/api/v1/tokens", json!({ "name": "own" })).await;
    // What only happens by itself is written as the server writes it.
    let (recording, item, job) = server.recorded(&event).await;
    vec![
        (Thing::Event, event),
        (Thing::Role, role),
        (Thing::Simulcast, made("/api/v1/simulcasts", simulcast).await),
        (Thing::Device, device),
        (Thing::User, user),
        (Thing::Token, token),
        (Thing::Recording, recording),
        (Thing::Item, item),
        (Thing::Job, job),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_see_nothing_of_each_other() {
    let server = Server::start().await;
    let second =
        server.manage(AccountCommand::Create { name: "Second".into(), email: "b@example.org".into() }).await;
    let password = second.password.unwrap();
    let first = |method: Method, path: &str| server.request(method, path);
    let second = |method: Method, path: &str| {
        server.anonymous(method, path).basic_auth("b@example.org", Some(&password))
    };
    let own = things(&server, &first).await;
    let others = things(&server, &second).await;
    let of = |things: &[(Thing, String)], thing: Thing| {
        things.iter().find(|(found, _)| *found == thing).map(|(_, id)| id.clone()).unwrap()
    };
    for rule in access::rules() {
        let Some(thing) = rule.path.iter().find_map(|part| match part {
            Segment::Id(thing) => Some(*thing),
            _ => None,
        }) else {
            continue;
        };
        let foreign = path_with(rule, |_| of(&own, thing));
        let mut request = second(rule.method.clone(), &foreign);
        if rule.method != Method::GET && rule.method != Method::DELETE {
            request = request.json(&json!({ "status": "started", "title": "x", "name": "x" }));
        }
        assert_eq!(status(request).await, 404, "{rule:?}");
        if rule.method == Method::GET {
            let path = path_with(rule, |_| of(&others, thing));
            // Nobody has had an archive made, and nothing was recorded.
            let is_empty = path.ends_with("/export") || path.ends_with("/download");
            let own = if is_empty { 404 } else { 200 };
            assert_eq!(status(second(Method::GET, &path)).await, own, "its own: {rule:?}");
        }
    }
    // Lists, by either, name nothing of the other.
    for rule in access::rules().filter(|rule| rule.method == Method::GET && rule.path.len() == 3) {
        let path = path_of(rule);
        if path.ends_with("/stream") {
            continue;
        }
        for (ask, foreign) in [
            (&first as &dyn Fn(Method, &str) -> RequestBuilder, &others),
            (&second as &dyn Fn(Method, &str) -> RequestBuilder, &own),
        ] {
            let list = answer(ask(Method::GET, &path)).await;
            for (_, id) in foreign {
                assert!(!list.text.contains(id), "{path} names {id}: {}", list.text);
            }
        }
    }
    // Nor does a reference across accounts work, nor a preview.
    let stolen = json!({ "title": "x", "device_id": of(&own, Thing::Device) });
    assert_eq!(answer(second(Method::POST, "/api/v1/events").json(&stolen)).await.fields(), ["device_id"]);
    let preview = format!("/live/preview/{}/index.m3u8", of(&own, Thing::Event));
    assert_eq!(status(second(Method::GET, &preview)).await, 404);
    let item = format!("/vod/preview/{}/index.m3u8", of(&own, Thing::Item));
    assert_eq!(status(second(Method::GET, &item)).await, 404);
    // The installation is the first account's.
    for path in ["/api/v1/nodes", "/api/v1/alarms", "/api/v1/media/objects/x"] {
        assert_eq!(status(second(Method::GET, path)).await, 403, "{path}");
    }
    let roles = answer(second(Method::GET, "/api/v1/roles")).await;
    let roles = roles.body["data"].as_array().unwrap();
    let admin = roles.iter().find(|role| role["administrator"] == true).unwrap();
    assert!(!admin["permissions"].as_array().unwrap().contains(&json!("server:read")), "{admin}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limited_account_stays_within_it_and_a_suspended_one_is_shut() {
    let server = Server::start().await;
    let made =
        server.manage(AccountCommand::Create { name: "B".into(), email: "b@example.org".into() }).await;
    let (number, password) = (made.accounts[0].number.0, made.password.unwrap());
    let ask = |method: Method, path: &str| {
        server.anonymous(method, path).basic_auth("b@example.org", Some(&password))
    };
    let mut events = Vec::new();
    for title in ["one", "two"] {
        let event = answer(ask(Method::POST, "/api/v1/events").json(&json!({ "title": title }))).await;
        events.push(format!("/api/v1/events/{}/status", event.body["id"].as_str().unwrap()));
    }
    let limit = AccountCommand::Limit {
        account: number,
        wanted: WantedLimits { events_at_once: Some("1".parse().unwrap()), ..WantedLimits::default() },
    };
    assert_eq!(server.manage(limit).await.accounts[0].limits.events_at_once, Some(1));
    let to = async |path: &str, status: &str| {
        answer(ask(Method::POST, path).json(&json!({ "status": status }))).await
    };
    assert_eq!(to(&events[0], "started").await.status, 200);
    let refused = to(&events[1], "started").await;
    assert_eq!(refused.status, 409);
    assert!(refused.text.contains("1 events started at a time"), "{refused:?}");
    assert_eq!(to(&events[0], "paused").await.status, 200);
    assert_eq!(to(&events[1], "started").await.status, 409, "a paused one counts");
    assert_eq!(to(&events[0], "started").await.status, 200, "its own place");
    assert_eq!(to(&events[0], "ended").await.status, 200);
    assert_eq!(to(&events[1], "started").await.status, 200);
    server.manage(AccountCommand::Suspend { account: number }).await;
    let shut = answer(ask(Method::GET, "/api/v1/events")).await;
    assert_eq!(shut.status, 403);
    assert!(shut.text.contains("suspended"), "{shut:?}");
    server.manage(AccountCommand::Resume { account: number }).await;
    assert_eq!(status(ask(Method::GET, "/api/v1/events")).await, 200);
}
