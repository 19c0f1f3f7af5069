//! A plain HTTP/1.1 client that reads bodies and throws them away.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// No single answer takes longer.
const LIMIT: Duration = Duration::from_secs(20);
const BUFFER: usize = 256 * 1024;

/// Asks `requests` times for `path` over `connections` kept-alive connections; returns the bytes of the bodies.
pub(crate) async fn hammer(address: &str, path: &str, connections: usize, requests: usize) -> Result<u64> {
    let each = requests / connections;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let (address, path) = (address.to_owned(), path.to_owned());
        tasks.spawn(async move { one_connection(&address, &path, each).await });
    }
    let mut bytes = 0;
    while let Some(done) = tasks.join_next().await {
        bytes += done.context("a client ended")??;
    }
    Ok(bytes)
}

async fn one_connection(address: &str, path: &str, requests: usize) -> Result<u64> {
    let mut stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
    stream.set_nodelay(true)?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: */*\r\n\r\n");
    let mut buffer = vec![0; BUFFER];
    let mut total = 0;
    for _ in 0..requests {
        stream.write_all(request.as_bytes()).await.context("asking")?;
        total +=
            timeout(LIMIT, answer(&mut stream, &mut buffer)).await.context("no whole answer in time")??;
    }
    Ok(total)
}

/// Reads one answer to its end; returns its body's length.
async fn answer(stream: &mut TcpStream, buffer: &mut [u8]) -> Result<u64> {
    let mut head = Vec::new();
    let (end, mut body) = loop {
        let read = stream.read(buffer).await.context("reading the head")?;
        ensure!(read > 0, "the server closed the connection");
        head.extend_from_slice(&buffer[..read]);
        if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            break (end, (head.len() - end - 4) as u64);
        }
        ensure!(head.len() < 64 * 1024, "a head of over 64 KiB");
    };
    let text = String::from_utf8_lossy(&head[..end]).to_ascii_lowercase();
    if !text.starts_with("http/1.1 200") {
        bail!("not a 200: {}", text.lines().next().unwrap_or_default());
    }
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .context("an answer without a length")?;
    let length: u64 = length.trim().parse().context("the answer's length")?;
    while body < length {
        let read = stream.read(buffer).await.context("reading the body")?;
        ensure!(read > 0, "the server closed the connection within a body");
        body += read as u64;
    }
    ensure!(body == length, "{body} bytes of {length}");
    Ok(length)
}
