//! What is served from a file of a segment is the segment, however a client asks for it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::*;

/// Whether this process has the file open: what it serves comes from there.
fn is_open(file: &Path) -> bool {
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok()).any(|target| target == file)
}

/// The bytes that curl gets, or the header alone.
fn curl(url: &str, options: &[&str]) -> Vec<u8> {
    let output = Command::new("curl")
        .args(["-sSk", "--max-time", "10", "-o", "-"])
        .args(options)
        .arg(url)
        .output()
        .unwrap();
    assert!(output.status.success(), "curl {options:?} {url}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// What is answered to two requests that are sent at once.
fn twice(url: &str) -> Vec<u8> {
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let first = format!("GET /{path} HTTP/1.1\r\nhost: {address}\r\n\r\n");
    let last = first.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
    stream.write_all(format!("{first}{last}").as_bytes()).unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_segment_is_the_same_by_every_way() {
    let dir = tempfile::tempdir().unwrap();
    let running =
        cloud_with(dir.path(), |config| config.http.tls_listen = Listen::At(([127, 0, 0, 1], 0).into()))
            .await;
    let app = &running.app;
    let event = event(app).await;
    set(app, &event, EventStatus::Started).await;
    send(app, &event, &footage(5)).await;
    let path = format!("/live/public/{event}/source/1.m4s");
    let file = dir.path().join(format!("data/media/live/{event}/source/1.m4s"));
    until("the segment's file", async || is_open(&file).then_some(())).await;
    let plain = base(app, &path);
    let encrypted = format!("https://{}{path}", app.addresses.https.get().unwrap());
    let checked = tokio::task::spawn_blocking(move || {
        let bytes = std::fs::read(&file).unwrap();
        assert!(bytes.len() > 20_000, "{}", bytes.len());
        let ways = [
            (&plain, "--http1.0"),
            (&plain, "--http1.1"),
            (&plain, "--http2-prior-knowledge"),
            (&encrypted, "--http1.1"),
            (&encrypted, "--http2"),
        ];
        for (url, way) in ways {
            let got = curl(url, &[way]);
            assert!(got == bytes, "{way} {url}: {} bytes of {}", got.len(), bytes.len());
            let part = curl(url, &[way, "-r", "777-9999"]);
            assert!(part == bytes[777..10_000], "{way} {url}: {} bytes of a range", part.len());
            let head = String::from_utf8(curl(url, &[way, "-I"])).unwrap().to_lowercase();
            assert!(head.contains(&format!("content-length: {}\r\n", bytes.len())), "{way} {url}: {head}");
        }
        // One connection: what follows a file is in its place.
        let both = twice(&plain);
        let at =
            |from: usize| from + both[from..].windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let first = at(0);
        let second = at(first + bytes.len());
        assert!(both[first..first + bytes.len()] == bytes && both[second..] == bytes, "{} bytes", both.len());
        let list = String::from_utf8(curl(&plain.replace("1.m4s", "index.m3u8"), &[])).unwrap();
        let parts: Vec<&str> =
            list.split("URI=\"").filter_map(|rest| rest.split_once('"')).map(|(uri, _)| uri).collect();
        let of_it = parts.iter().filter(|uri| uri.starts_with("1.") && uri.ends_with(".m4s"));
        let joined: Vec<u8> = of_it.flat_map(|uri| curl(&plain.replace("1.m4s", uri), &[])).collect();
        assert!(joined == bytes, "{} bytes in parts: {parts:?}", joined.len());
    });
    checked.await.unwrap();
    running.stop().await;
}
