//! A plain HTTP/1.1 client that reads bodies and throws them away.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// No single answer takes longer.
const LIMIT: Duration = Duration::from_secs(20);
const BUFFER: usize = 256 * 1024;

/// What to ask, and whom.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) address: String,
    pub(crate) path: String,
    /// More lines of the head, each with its end.
    headers: String,
}

impl Ask {
    pub(crate) fn new(address: &str, path: &str) -> Self {
        Self { address: address.to_owned(), path: path.to_owned(), headers: String::new() }
    }

    pub(crate) fn with(mut self, headers: &str) -> Self {
        self.headers.push_str(headers);
        self
    }

    /// The whole request.
    pub(crate) fn head(&self) -> String {
        let Self { address, path, headers } = self;
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: */*\r\n{headers}\r\n")
    }

    pub(crate) async fn connect(&self) -> Result<Connection> {
        let address = &self.address;
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, head: self.head(), buffer: room() })
    }
}

/// One connection that is kept.
pub(crate) struct Connection {
    stream: TcpStream,
    head: String,
    buffer: Vec<u8>,
}

impl Connection {
    /// Asks once; returns the body's length.
    pub(crate) async fn once(&mut self) -> Result<u64> {
        self.stream.write_all(self.head.as_bytes()).await.context("asking")?;
        let (status, bytes) = self.answer().await?;
        ensure!(status == 200, "the answer is {status}");
        Ok(bytes)
    }

    /// Sends a whole request, whatever the answer is.
    pub(crate) async fn post(&mut self, request: &str) -> Result<u16> {
        self.stream.write_all(request.as_bytes()).await.context("sending")?;
        Ok(self.answer().await?.0)
    }

    async fn answer(&mut self) -> Result<(u16, u64)> {
        read_answer(&mut self.stream, &mut self.buffer).await
    }
}

/// Room for what is read at once.
pub(crate) fn room() -> Vec<u8> {
    vec![0; BUFFER]
}

/// Reads one answer to its end, with `buffer` as room; returns its status and its body's length.
pub(crate) async fn read_answer(stream: &mut TcpStream, buffer: &mut [u8]) -> Result<(u16, u64)> {
    timeout(LIMIT, answer(stream, buffer)).await.context("no whole answer in time")?
}

/// Asks `requests` times over `connections` kept-alive connections; returns the bytes of the bodies.
pub(crate) async fn hammer(ask: &Ask, connections: usize, requests: usize) -> Result<u64> {
    let each = requests / connections;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let ask = ask.clone();
        tasks.spawn(async move {
            let (mut connection, mut total) = (ask.connect().await?, 0);
            for _ in 0..each {
                total += connection.once().await?;
            }
            anyhow::Ok(total)
        });
    }
    let mut bytes = 0;
    while let Some(done) = tasks.join_next().await {
        bytes += done.context("a client ended")??;
    }
    Ok(bytes)
}

async fn answer(stream: &mut TcpStream, buffer: &mut [u8]) -> Result<(u16, u64)> {
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
    let status =
        text.strip_prefix("http/1.1 ").and_then(|text| text.get(..3)).and_then(|text| text.parse().ok());
    let status: u16 = status.context("no HTTP/1.1 status")?;
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
    Ok((status, length))
}
