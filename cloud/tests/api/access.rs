//! The table of routes against every role, and users, roles and tokens.

use super::server::{Answer, EMAIL, Server, answer};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::json;
use stagebox_cloud::access::{self, Need, Permission, Permissions, Rule};
use stagebox_cloud::id::{BoxId, EventId, ItemId, JobId, RecordingId, RoleId, TokenId, UserId};

const PASSWORD: &str = "correct horse battery";

/// Somebody with a session.
#[derive(Debug)]
struct Login {
    cookie: String,
    csrf: String,
}

impl Login {
    async fn of(server: &Server, email: &str, password: &str) -> Result<Self, Answer> {
        let body = json!({ "email": email, "password": password });
        let answer = answer(server.anonymous(Method::POST, "/api/v1/session").json(&body)).await;
        if answer.status != StatusCode::OK {
            return Err(answer);
        }
        let cookie = answer.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
        Ok(Self { cookie, csrf: answer.body["csrf"].as_str().unwrap_or_default().to_owned() })
    }

    fn request(&self, server: &Server, method: Method, path: &str) -> RequestBuilder {
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

/// A path of this rule with ids that nobody has.
fn path_of(rule: &Rule) -> String {
    let id = match rule.path[2] {
        "devices" => BoxId::random().to_string(),
        "events" => EventId::random().to_string(),
        "items" => ItemId::random().to_string(),
        "jobs" => JobId::random().to_string(),
        "recordings" => RecordingId::random().to_string(),
        "roles" => RoleId::random().to_string(),
        "tokens" => TokenId::random().to_string(),
        "users" => UserId::random().to_string(),
        _ => "nothing".to_owned(),
    };
    let mut stars = 0;
    let segments = rule.path.iter().map(|segment| match *segment {
        "*" => {
            stars += 1;
            if stars == 1 { id.clone() } else { "identify".to_owned() }
        }
        "**" => "nothing".to_owned(),
        literal => literal.to_owned(),
    });
    format!("/{}", segments.collect::<Vec<_>>().join("/"))
}

/// The status alone: a stream's body has no end.
async fn status(request: RequestBuilder) -> StatusCode {
    request.send().await.unwrap().status()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_is_open_to_those_whose_role_says_so_and_to_nobody_else() {
    let server = Server::start().await;
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
