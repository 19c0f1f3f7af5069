//! Hostile targets, names that change, and what the guard must not reach.

use super::dns::NameServer;
use super::resolve::{self, Lookup};
use super::{Guard, Http, OutboundError, Purpose};
use crate::app::Addresses;
use http::Method;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const LIMIT: Duration = Duration::from_secs(20);
const ALL: [(Purpose, &str); 6] = [
    (Purpose::Http, "http"),
    (Purpose::Http, "https"),
    (Purpose::Rtmp, "rtmp"),
    (Purpose::Rtmp, "rtmps"),
    (Purpose::Smtp, "smtp"),
    (Purpose::Smtp, "smtps"),
];

fn guard(allow: &[&str]) -> Guard {
    Guard::with_lookup(allow, Arc::default(), resolve::system())
}

/// Finds these addresses for every name.
fn always(addresses: &[&str]) -> Lookup {
    let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
    Arc::new(move |_| {
        let addresses = addresses.clone();
        Box::pin(async move { Ok(addresses) })
    })
}

/// Hosts that lead inside, each in a form that some library reads as an address.
const HOSTILE: [&str; 58] = [
    // Loopback in all the forms of inet_aton, and in the figures of other scripts.
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0x7F.0.0.0x1",
    "017700000001",
    "0177.0.0.1",
    "0177.0x0.1",
    "%31%32%37.0.0.1",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
    "127.255.255.254",
    "0",
    "0.0.0.0",
    "0x0",
    // The networks that are special.
    "10.0.0.1",
    "012.0.0.1",
    "167772161",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "169.254.169.254",
    "169.254.43518",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.168.0.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.7",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    // IPv6, and IPv4 inside of it.
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[::ffff:0:10.0.0.1]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::a00:1]",
    "[2002:c0a8:1::1]",
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
    "[2a00:1450::5efe:10.0.0.1]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[ff02::1]",
    "[2001:db8::1]",
];

#[test]
fn hostile_hosts_are_refused_for_every_purpose() {
    let guard = guard(&[]);
    for host in HOSTILE {
        for (purpose, scheme) in ALL {
            for port in ["", ":8080"] {
                let url = format!("{scheme}://{host}{port}/x");
                let refused = guard.target(purpose, &url);
                assert!(matches!(refused, Err(OutboundError::Special { .. })), "{url}: {refused:?}");
            }
        }
    }
}

#[test]
fn wrong_forms_are_refused() {
    let guard = guard(&[]);
    for rest in [
        "",
        "://",
        "://user@example.org/",
        "://user:password@example.org/",
        "://:password@example.org/",
        "://example.org@10.0.0.1/",
        "://example.org/#fragment",
        "://example.org:0/",
        "://example.org:65536/",
        "://[fe80::1%25eth0]/",
        "://[fe80::1%eth0]/",
        "://[::1/",
        "://1.2.3.4.5/",
        "://0x100000000/",
        "://exa mple.org/",
        "://exa%00mple.org/",
        &format!("://example.org/{}", "x".repeat(2048)),
    ] {
        for (purpose, scheme) in ALL {
            let url = format!("{scheme}{rest}");
            let refused = guard.target(purpose, &url);
            assert!(matches!(refused, Err(OutboundError::Form(_))), "{url}: {refused:?}");
        }
    }
    for (purpose, scheme) in ALL {
        for other in ["file", "ftp", "gopher", "unix", "ws", "javascript", "data"] {
            assert!(guard.target(purpose, &format!("{other}://example.org/")).is_err(), "{other}");
        }
        for (other, scheme) in ALL.iter().filter(|(other, _)| *other != purpose) {
            assert!(guard.target(purpose, &format!("{scheme}://example.org/")).is_err(), "{other:?}");
        }
        guard.target(purpose, &format!("{}://example.org/a?b=c", scheme.to_uppercase())).unwrap();
    }
}

#[test]
fn a_target_knows_its_port_and_hides_its_path() {
    let guard = guard(&[]);
    for (purpose, url, port, encrypted) in [
        (Purpose::Http, "http://example.org/hook?x=1", 80, false),
        (Purpose::Http, "https://8.8.8.8:8443/", 8443, true),
        (Purpose::Rtmp, "rtmp://live.example.org/app/key", 1935, false),
        (Purpose::Rtmp, "rtmps://live.example.org/app/key", 443, true),
        (Purpose::Rtmp, "rtmp://134744072/app/key", 1935, false),
        (Purpose::Smtp, "smtp://mail.example.org", 587, false),
        (Purpose::Smtp, "smtps://[2a00:1450::1]", 465, true),
    ] {
        let target = guard.target(purpose, url).unwrap();
        assert_eq!((target.port(), target.is_encrypted()), (port, encrypted), "{url}");
        let shown = format!("{target:?}");
        assert!(!shown.contains("key") && !shown.contains("hook") && !shown.contains("x=1"), "{shown}");
    }
}

#[test]
fn a_network_can_be_allowed() {
    let guard = guard(&["127.0.0.0/8"]);
    for url in ["http://127.0.0.1:9/", "http://[::ffff:127.0.0.1]:9/", "http://0x7f000001:9/"] {
        guard.target(Purpose::Http, url).unwrap();
    }
    for url in ["http://10.0.0.1/", "http://[::1]/"] {
        let refused = guard.target(Purpose::Http, url).unwrap_err().to_string();
        assert!(refused.contains("[outbound] allow"), "{refused}");
    }
}

#[test]
fn this_server_itself_is_refused_unless_its_own_address_is_allowed() {
    let addresses = Arc::new(Addresses::default());
    addresses.http.set("127.0.0.1:8080".parse().unwrap()).unwrap();
    addresses.rtmp.set("0.0.0.0:1935".parse().unwrap()).unwrap();
    let with = |allow: &[&str]| Guard::with_lookup(allow, Arc::clone(&addresses), resolve::system());
    let wide = with(&["127.0.0.0/8", "0.0.0.0/8"]);
    for own in
        ["127.0.0.1:8080", "2130706433:8080", "[::ffff:127.0.0.1]:8080", "0.0.0.0:8080", "127.9.9.9:1935"]
    {
        let refused = wide.target(Purpose::Rtmp, &format!("rtmp://{own}/live/key")).unwrap_err();
        assert!(matches!(refused, OutboundError::Own(_)), "{own}: {refused}");
    }
    wide.target(Purpose::Rtmp, "rtmp://127.0.0.1:8081/live/key").unwrap();
    wide.target(Purpose::Rtmp, "rtmp://127.0.0.2:8080/live/key").unwrap();
    let narrow = with(&["127.0.0.1/32"]);
    narrow.target(Purpose::Rtmp, "rtmp://127.0.0.1:8080/live/key").unwrap();
}

/// Counts connections at an address, and answers each with an empty page.
struct Listener {
    address: SocketAddr,
    taken: Arc<AtomicUsize>,
    heads: Arc<Mutex<String>>,
    task: JoinHandle<()>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Listener {
    async fn start(at: (&str, u16)) -> Self {
        let listener = TcpListener::bind(at).await.unwrap();
        let (address, taken, heads) =
            (listener.local_addr().unwrap(), Arc::<AtomicUsize>::default(), Arc::<Mutex<String>>::default());
        let (count, notes) = (Arc::clone(&taken), Arc::clone(&heads));
        let task = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let notes = Arc::clone(&notes);
                tokio::spawn(async move {
                    let mut head = vec![0; 4096];
                    let read = stream.read(&mut head).await.unwrap_or(0);
                    notes.lock().unwrap().push_str(&String::from_utf8_lossy(&head[..read]));
                    let page = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                    let _ = stream.write_all(page).await;
                });
            }
        });
        Self { address, taken, heads, task }
    }

    fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }
}

/// A client as a server has it, which chooses who does TLS at its start.
fn http(guard: &Guard) -> Http {
    let _ = rustls::crypto::ring::default_provider().install_default();
    guard.http(LIMIT)
}

/// Two listeners on one port: 127.0.0.2 stands for a public address, 127.0.0.1 is inside.
async fn outside_and_inside() -> (Listener, Listener) {
    let outside = Listener::start(("127.0.0.2", 0)).await;
    let inside = Listener::start(("127.0.0.1", outside.address.port())).await;
    (outside, inside)
}

#[tokio::test]
async fn a_name_that_changes_between_check_and_connection_leads_nowhere() {
    let (outside, inside) = outside_and_inside().await;
    let answers: [&[&str]; 3] = [&["127.0.0.2"], &["127.0.0.1"], &["127.0.0.1", "127.0.0.2"]];
    let url = |scheme: &str| format!("{scheme}://rebind.example.org:{}/x", outside.address.port());

    let names = NameServer::start(&answers).await;
    let guard = Guard::with_lookup(&["127.0.0.2/32"], Arc::default(), names.lookup());
    let target = guard.target(Purpose::Rtmp, &url("rtmp")).unwrap();
    let stream = guard.connect(&target, LIMIT).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap(), outside.address);
    assert_eq!(names.asked(), ["rebind.example.org"], "asked once: what was checked is what is connected to");
    let refused = guard.connect(&target, LIMIT).await.unwrap_err();
    assert!(matches!(refused, OutboundError::SpecialName(_)), "{refused}");
    assert!(!refused.to_string().contains("127.0.0.1"), "{refused}");
    let stream = guard.connect(&target, LIMIT).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap(), outside.address, "of two addresses, the one that is allowed");
    assert_eq!((names.asked().len(), inside.taken()), (3, 0));
    drop(stream);

    let names = NameServer::start(&answers).await;
    let guard = Guard::with_lookup(&["127.0.0.2/32"], Arc::default(), names.lookup());
    let client = http(&guard);
    let target = guard.target(Purpose::Http, &url("http")).unwrap();
    let send = async || client.request(Method::POST, &target).unwrap().send().await;
    assert_eq!(send().await.unwrap().status(), 200);
    assert_eq!(names.asked().len(), 1);
    let refused = format!("{:?}", send().await.unwrap_err());
    assert!(refused.contains("SpecialName"), "{refused}");
    assert_eq!(send().await.unwrap().status(), 200);
    let heads = outside.heads.lock().unwrap().clone();
    assert_eq!((heads.matches("POST").count(), inside.taken(), names.asked().len()), (2, 0, 3));
    assert!(heads.contains("host: rebind.example.org"), "the name stays in the request: {heads}");
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_after_resolution() {
    let inside = Listener::start(("127.0.0.1", 0)).await;
    let port = inside.address.port();
    for addresses in [
        &["127.0.0.1"][..],
        &["::1", "127.0.0.1"],
        &["::ffff:127.0.0.1"],
        &["64:ff9b::7f00:1"],
        &["169.254.169.254", "fd00:ec2::254"],
        &["fe80::1"],
        &[],
    ] {
        let guard = Guard::with_lookup(&[], Arc::default(), always(addresses));
        for (purpose, scheme) in ALL {
            let target = guard.target(purpose, &format!("{scheme}://inside.example.org:{port}/")).unwrap();
            let refused = guard.connect(&target, LIMIT).await.unwrap_err();
            assert!(matches!(refused, OutboundError::SpecialName(_)), "{addresses:?}: {refused}");
        }
        let target = guard.target(Purpose::Http, &format!("http://inside.example.org:{port}/")).unwrap();
        http(&guard).request(Method::GET, &target).unwrap().send().await.unwrap_err();
    }
    // As this machine itself resolves it.
    let target = guard(&[]).target(Purpose::Smtp, &format!("smtp://localhost:{port}")).unwrap();
    assert!(matches!(guard(&[]).connect(&target, LIMIT).await, Err(OutboundError::SpecialName(_))));
    assert_eq!(inside.taken(), 0);
}

#[tokio::test]
async fn a_name_does_not_lead_back_to_this_server_but_to_its_neighbour() {
    let (own, neighbour) = (Listener::start(("127.0.0.1", 0)).await, Listener::start(("127.0.0.1", 0)).await);
    let addresses = Arc::new(Addresses::default());
    addresses.http.set(own.address).unwrap();
    let guard = Guard::with_lookup(&["127.0.0.0/8"], addresses, always(&["127.0.0.1"]));
    let client = http(&guard);
    for (listener, wanted) in [(&neighbour, 1), (&own, 0), (&neighbour, 2)] {
        let url = format!("http://example.org:{}/", listener.address.port());
        let target = guard.target(Purpose::Http, &url).unwrap();
        let answer = client.request(Method::GET, &target).unwrap().send().await;
        assert_eq!((answer.is_ok(), listener.taken()), (wanted > 0, wanted), "{url}");
    }
}

#[tokio::test]
async fn a_host_that_does_not_answer_is_given_up_in_time_and_named() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    drop(silent);
    let guard = Guard::with_lookup(&["127.0.0.0/8"], Arc::default(), always(&["127.0.0.1"]));
    let target = guard.target(Purpose::Rtmp, &format!("rtmp://gone.example.org:{port}/live/hush")).unwrap();
    let error = guard.connect(&target, LIMIT).await.unwrap_err().to_string();
    assert!(error.contains("gone.example.org") && error.contains("refused"), "{error}");
    assert!(!error.contains("hush"), "{error}");
    let never: Lookup = Arc::new(|_| Box::pin(std::future::pending()));
    let guard = Guard::with_lookup(&[], Arc::default(), never);
    let error = guard.connect(&target, Duration::from_millis(20)).await.unwrap_err();
    assert!(matches!(error, OutboundError::Timeout { .. }), "{error}");
}
