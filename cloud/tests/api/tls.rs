//! HTTPS through real sockets: versions, what answers say to browsers, proxies, and a certificate that changes.

use crate::server::{Answer, EMAIL, Server, answer};
use reqwest::tls::TlsInfo;
use reqwest::{Certificate, Client, Method};
use serde_json::json;
use stagebox_cloud::config::{Config, Listen};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::process::Command;

fn encrypted(config: &mut Config) {
    config.http.tls_listen = Listen::At(([127, 0, 0, 1], 0).into());
}

fn https(server: &Server) -> String {
    format!("https://{}", server.running.app.addresses.https.get().unwrap())
}

/// The certificate that the server made itself.
fn own(server: &Server) -> PathBuf {
    server.running.app.config.data_dir.join("tls/certificate.pem")
}

fn trusting(certificate: &Path) -> Client {
    let pem = std::fs::read(certificate).unwrap();
    let root = Certificate::from_pem(&pem).unwrap();
    Client::builder().no_proxy().tls_info(true).tls_certs_only([root]).build().unwrap()
}

async fn curl(server: &Server, arguments: &[&str]) -> Output {
    let mut command = Command::new("curl");
    command.args(["-sS", "--noproxy", "*", "--cacert"]).arg(own(server)).args(arguments);
    command.output().await.unwrap()
}

#[tokio::test]
async fn curl_speaks_both_versions_of_http_and_no_old_tls() {
    let server = Server::start_with(encrypted).await;
    let url = format!("{}/healthz", https(&server));
    let said = "%{http_version} %{ssl_verify_result}";
    for (arguments, wanted) in [
        (&["--http1.1"][..], "1.1 0"),
        (&["--http2"], "2 0"),
        (&["--tls-max", "1.2"], "2 0"),
        (&["--tlsv1.3"], "2 0"),
    ] {
        let done = curl(&server, &[arguments, &["-o", "/dev/null", "-w", said, &url]].concat()).await;
        assert_eq!(String::from_utf8_lossy(&done.stdout), wanted, "{arguments:?}: {done:?}");
    }
    let address = server.running.app.addresses.https.get().unwrap().to_string();
    for old in ["-tls1", "-tls1_1"] {
        let command = ["s_client", "-connect", &address, old, "-cipher", "ALL:@SECLEVEL=0"];
        let done =
            Command::new("openssl").args(command).stdin(std::process::Stdio::null()).output().await.unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(!done.status.success() && said.contains("SSL alert number"), "{old}: {said}");
    }
    // Whoever speaks no TLS there is let go, and others are answered.
    let plain = curl(&server, &[&url.replace("https:", "http:")]).await;
    assert!(!plain.status.success(), "{plain:?}");
    assert!(curl(&server, &[&url]).await.status.success());
}

#[tokio::test]
async fn browsers_are_told_to_stay_with_https() {
    let server = Server::start_with(encrypted).await;
    let client = trusting(&own(&server));
    let event = server.new_event("Gala").await;
    let embed = format!("/embed/events/{}", event["id"].as_str().unwrap());
    for (path, framed) in [("/", false), ("/api/v1/events", false), (&embed, true), ("/embed/events/x", true)]
    {
        let open = answer(server.anonymous(Method::GET, path)).await;
        assert_eq!(open.header("strict-transport-security"), "", "{path}");
        let closed = answer(client.get(format!("{}{path}", https(&server)))).await;
        assert_eq!(closed.header("strict-transport-security"), "max-age=31536000", "{path}");
        let policy = closed.header("content-security-policy");
        let wanted = if framed { "frame-ancestors *" } else { "frame-ancestors 'none'" };
        assert!(policy.contains(wanted) && policy.contains("default-src '"), "{path}: {policy}");
        assert_eq!(closed.header("x-frame-options").is_empty(), framed, "{path}");
        assert_eq!(closed.header("x-content-type-options"), "nosniff", "{path}");
    }
    let body = json!({ "email": EMAIL, "password": server.password });
    let open = answer(server.anonymous(Method::POST, "/api/v1/session").json(&body)).await;
    assert!(!open.header("set-cookie").contains("Secure"), "{open:?}");
    let closed = answer(client.post(format!("{}/api/v1/session", https(&server))).json(&body)).await;
    assert!(closed.header("set-cookie").ends_with("; Secure"), "{closed:?}");
}

/// A request as a reverse proxy on this machine passes it on.
async fn behind(server: &Server, client: &str, scheme: &str, password: &str) -> Answer {
    let request = server.anonymous(Method::GET, "/api/v1/events").basic_auth(EMAIL, Some(password));
    let forwarded = format!("for=\"{client}\";proto={scheme}");
    let request = request.header("x-forwarded-for", format!("127.0.0.1, {client}"));
    answer(request.header("x-forwarded-proto", scheme).header("forwarded", forwarded)).await
}

#[tokio::test]
async fn a_trusted_proxy_names_client_and_scheme() {
    let server =
        Server::start_with(|config| config.http.trusted_proxies = vec!["127.0.0.0/8".to_owned()]).await;
    let good = server.password.clone();
    assert_eq!(behind(&server, "192.0.2.7", "https", &good).await.status, 200);
    let open = behind(&server, "192.0.2.7", "http", &good).await;
    open.assert_problem(403);
    assert!(open.body["detail"].as_str().unwrap().contains("HTTPS only"), "{open:?}");
    for _ in 0..5 {
        behind(&server, "192.0.2.7", "https", "wrong").await.assert_problem(401);
    }
    behind(&server, "192.0.2.7", "https", "wrong").await.assert_problem(429);
    behind(&server, "192.0.2.8", "https", "wrong").await.assert_problem(401);
    let body = json!({ "email": EMAIL, "password": good });
    let login =
        server.anonymous(Method::POST, "/api/v1/session").header("x-forwarded-proto", "https").json(&body);
    let login = answer(login.header("x-forwarded-for", "192.0.2.9")).await;
    assert!(login.header("set-cookie").ends_with("; Secure"), "{login:?}");
    assert_eq!(login.header("strict-transport-security"), "max-age=31536000");
}

#[tokio::test]
async fn nobody_else_is_believed() {
    let server = Server::start().await;
    let good = server.password.clone();
    // From this machine itself, whatever it says of others.
    assert_eq!(behind(&server, "192.0.2.7", "http", &good).await.status, 200);
    for _ in 0..5 {
        behind(&server, "192.0.2.7", "https", "wrong").await.assert_problem(401);
    }
    behind(&server, "192.0.2.8", "https", "wrong").await.assert_problem(429);
}

/// A certificate for this machine, and its key, written over what is there.
fn issue(folder: &Path) -> (PathBuf, PathBuf) {
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    let files = (folder.join("certificate.pem"), folder.join("key.pem"));
    std::fs::write(&files.0, certificate.pem()).unwrap();
    std::fs::write(&files.1, key.serialize_pem()).unwrap();
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_taken_without_a_lost_request() {
    let folder = tempfile::tempdir().unwrap();
    let files = issue(folder.path());
    let first = std::fs::read(&files.0).unwrap();
    let server = Server::start_with(|config| {
        encrypted(config);
        config.tls.certificate_file = Some(files.0.clone());
        config.tls.key_file = Some(files.1.clone());
    })
    .await;
    let url = format!("{}/healthz", https(&server));
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicU64::new(0));
    let load: Vec<_> = [8usize, 0, 0]
        .into_iter()
        .map(|idle| {
            let (url, stop, done) = (url.clone(), Arc::clone(&stop), Arc::clone(&done));
            tokio::spawn(async move {
                let client = Client::builder().no_proxy().tls_danger_accept_invalid_certs(true);
                // With kept connections, and with one of its own for each request.
                let client = client.pool_max_idle_per_host(idle).build().unwrap();
                while !stop.load(Ordering::Relaxed) {
                    let response = client.get(&url).send().await.unwrap();
                    assert_eq!(response.text().await.unwrap(), "ok\n");
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let more = async |count| {
        let wanted = done.load(Ordering::Relaxed) + count;
        while done.load(Ordering::Relaxed) < wanted {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    more(50).await;
    std::fs::write(&files.0, "half a certi").unwrap();
    let broken = async || loop {
        let alarms = server.get("/api/v1/alarms").await.body;
        if let Some(alarm) =
            alarms["data"].as_array().unwrap().iter().find(|it| it["name"] == "tls-certificate")
        {
            break alarm["words"].as_str().unwrap().to_owned();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let words = tokio::time::timeout(Duration::from_secs(20), broken()).await.unwrap();
    assert!(words.contains("tls.certificate_file") && words.contains("the old one stays"), "{words}");
    more(50).await;

    issue(folder.path());
    let client = trusting(&files.0);
    let taken = async {
        while client.get(&url).send().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), taken).await.unwrap();
    more(50).await;
    stop.store(true, Ordering::Relaxed);
    for task in load {
        task.await.unwrap();
    }
    let response = client.get(&url).send().await.unwrap();
    let served = response.extensions().get::<TlsInfo>().unwrap().peer_certificate().unwrap().to_vec();
    assert!(!String::from_utf8(first).unwrap().contains(&base64(&served)[..64]));
    let alarms = server.get("/api/v1/alarms").await.body;
    assert_eq!(alarms["data"], json!([]));
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_stops_the_start_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, _) = issue(folder.path());
    let mut config = crate::server::config(&folder.path().join("data"));
    encrypted(&mut config);
    config.tls.certificate_file = Some(certificate);
    config.tls.key_file = Some(folder.path().join("nothing.pem"));
    let started =
        stagebox_cloud::serve::start(config, stagebox_cloud::clock::Clock::system(), |_| Ok(())).await;
    let error = started.err().unwrap().to_string();
    assert!(error.contains("nothing.pem") && error.contains("tls.key_file"), "{error}");
}
