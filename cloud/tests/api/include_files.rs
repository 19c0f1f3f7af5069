//! Include files through the API, and as anybody reads them.

use super::server::{Answer, Server, answer};
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use sha2::{Digest, Sha256};
use stagebox_cloud::account::{AccountCommand, WantedLimits};

const PATH: &str = "/api/v1/include-files";
const SVG: &str = "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";

fn put(server: &Server, name: &str, content_type: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
    let request = server.request(Method::PUT, &format!("{PATH}/{name}"));
    request.header("content-type", content_type).body(body)
}

async fn read(server: &Server, url: &str) -> Answer {
    let path = url.split_once("/include/").unwrap().1;
    answer(server.anonymous(Method::GET, &format!("/include/{path}"))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_put_read_replaced_and_deleted() {
    let server = Server::start().await;
    let made = answer(put(&server, "logo.svg", "image/svg+xml", SVG)).await;
    assert_eq!(made.status, 201, "{made:?}");
    let hash = hex::encode(Sha256::digest(SVG));
    let tag = format!("\"{hash}\"");
    assert_eq!((made.header("etag"), &made.body["sha256"]), (tag.as_str(), &json!(hash)));
    assert_eq!(made.header("location"), format!("{PATH}/logo.svg"));
    let list = server.get(PATH).await;
    assert_eq!(list.body["data"], json!([made.body]), "{list:?}");

    let url = made.body["url"].as_str().unwrap().to_owned();
    let versioned = made.body["versioned_url"].as_str().unwrap().to_owned();
    for (url, caching) in [(&url, "max-age=60"), (&versioned, "immutable")] {
        let read = read(&server, url).await;
        assert_eq!((read.status.as_u16(), read.text.as_str()), (200, SVG), "{read:?}");
        assert!(read.header("cache-control").contains(caching), "{read:?}");
        assert_eq!(read.header("content-type"), "image/svg+xml");
        assert_eq!(read.header("x-content-type-options"), "nosniff");
        assert_eq!(read.header("cross-origin-resource-policy"), "cross-origin");
        let policy = read.header("content-security-policy");
        assert!(policy.starts_with("sandbox; default-src 'none'") && !policy.contains("allow-"), "{policy}");
        assert!(read.headers.get("set-cookie").is_none());
    }
    let path = format!("/include/{}", url.split_once("/include/").unwrap().1);
    let known = server.anonymous(Method::GET, &path).header("if-none-match", &tag);
    assert_eq!(answer(known).await.status, 304);
    let part = answer(server.anonymous(Method::GET, &path).header("range", "bytes=1-3")).await;
    assert_eq!((part.status.as_u16(), part.text.as_str()), (206, "svg"), "{part:?}");
    assert_eq!(part.header("content-range"), format!("bytes 1-3/{}", SVG.len()));
    let outside = answer(server.anonymous(Method::GET, &path).header("range", "bytes=9999-")).await;
    assert_eq!(outside.status, 416);
    let head = answer(server.anonymous(Method::HEAD, &path)).await;
    assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""));
    assert_eq!(answer(server.anonymous(Method::POST, &path)).await.status, 405);

    // Only what is expected is replaced.
    let other = || put(&server, "logo.svg", "image/svg+xml", "<svg/>");
    answer(other().header("if-none-match", "*")).await.assert_problem(412);
    answer(other().header("if-match", format!("\"{}\"", "0".repeat(64)))).await.assert_problem(412);
    answer(other().header("if-match", "3")).await.assert_problem(400);
    answer(put(&server, "none.svg", "image/svg+xml", SVG).header("if-match", "*")).await.assert_problem(412);
    let replaced = answer(other().header("if-match", &tag)).await;
    assert_eq!(replaced.status, 200, "{replaced:?}");
    assert_eq!(replaced.body["created_at"], made.body["created_at"]);
    assert_eq!(read(&server, &url).await.text, "<svg/>");
    let old = read(&server, &versioned).await;
    assert!(
        !old.header("cache-control").contains("immutable"),
        "another version is not kept for ever: {old:?}"
    );

    assert_eq!(answer(server.request(Method::DELETE, &format!("{PATH}/logo.svg"))).await.status, 204);
    assert_eq!(read(&server, &url).await.status, 404);
    answer(server.request(Method::DELETE, &format!("{PATH}/logo.svg"))).await.assert_problem(404);
    assert_eq!(server.get(PATH).await.body["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_include_file_is_refused() {
    let server = Server::start().await;
    for name in [".htaccess", "a%20b", "a%2Fb", "%2e%2e", &"x".repeat(101)] {
        let refused = answer(put(&server, name, "text/css", "a{}")).await;
        assert!([404, 422].contains(&refused.status.as_u16()), "{name}: {refused:?}");
    }
    for kind in
        ["application/octet-stream", "text/xml", "application/xhtml+xml", "application/x-shockwave-flash"]
    {
        answer(put(&server, "x", kind, "x")).await.assert_problem(415);
    }
    answer(put(&server, "x.css", "text/css", vec![b' '; (1 << 20) + 1])).await.assert_problem(413);
    assert_eq!(answer(put(&server, "x.css", "text/css", vec![b' '; 1 << 20])).await.status, 201);
    assert_eq!(server.get(PATH).await.body["data"].as_array().unwrap().len(), 1);

    // At most 50 MiB, even by many at a time; what was replaced does not count.
    let many =
        (0..60).map(|number| put(&server, &format!("f{}.css", number % 55), "text/css", vec![b'a'; 1 << 20]));
    let answers = futures_util::future::join_all(many.map(answer)).await;
    let kept = server.get(PATH).await.body["data"].as_array().unwrap().len();
    assert_eq!(kept, 50, "as many as there is room for");
    for refused in answers.iter().filter(|answer| !answer.status.is_success()) {
        refused.assert_problem(409);
    }
    assert_eq!(answer(put(&server, "x.css", "text/css", "a{}")).await.status, 200, "a smaller one fits");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_their_accounts_and_count_as_its_storage() {
    let server = Server::start().await;
    let second =
        server.manage(AccountCommand::Create { name: "B".into(), email: "b@example.org".into() }).await;
    let (number, password) = (second.accounts[0].number.0, second.password.unwrap());
    let ask = |method: Method, path: &str| {
        server.anonymous(method, path).basic_auth("b@example.org", Some(&password))
    };
    let made = answer(put(&server, "a.txt", "text/plain", "first")).await;
    let own = ask(Method::PUT, &format!("{PATH}/a.txt")).header("content-type", "text/plain");
    let own = answer(own.body("second")).await;
    assert_ne!(made.body["url"], own.body["url"]);
    assert_eq!(read(&server, made.body["url"].as_str().unwrap()).await.text, "first");
    assert_eq!(read(&server, own.body["url"].as_str().unwrap()).await.text, "second");
    assert_eq!(answer(ask(Method::DELETE, &format!("{PATH}/a.txt"))).await.status, 204);
    assert_eq!(read(&server, made.body["url"].as_str().unwrap()).await.text, "first");

    let limit = AccountCommand::Limit {
        account: number,
        wanted: WantedLimits { storage_gib: Some("0".parse().unwrap()), ..WantedLimits::default() },
    };
    server.manage(limit).await;
    let full = ask(Method::PUT, &format!("{PATH}/b.txt")).header("content-type", "text/plain");
    answer(full.body("no room")).await.assert_problem(507);
    let account = answer(ask(Method::GET, "/api/v1/account")).await.body;
    assert_eq!(account["limits"]["storage_gib"], 0, "{account}");
    let limit = AccountCommand::Limit {
        account: number,
        wanted: WantedLimits {
            storage_gib: Some("none".parse().unwrap()),
            upload_gib: Some("0".parse().unwrap()),
            ..WantedLimits::default()
        },
    };
    server.manage(limit).await;
    let large = ask(Method::PUT, &format!("{PATH}/b.txt")).header("content-type", "text/plain");
    answer(large.body("too much")).await.assert_problem(413);
}
