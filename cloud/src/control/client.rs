//! The command line's end of the socket.

use super::{Line, socket};
use anyhow::{Context as _, bail};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use serde_json::Value;
use std::io;
use std::path::Path;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::UnixStream;
use tokio_util::io::StreamReader;

/// A server that runs on a data directory.
pub(crate) struct Running(reqwest::Client);

impl Running {
    /// Finds out whether a server runs.
    pub(crate) async fn find(data_dir: &Path) -> anyhow::Result<Option<Self>> {
        let path = socket(data_dir);
        match UnixStream::connect(&path).await {
            Ok(_) => {
                let client = reqwest::Client::builder().no_proxy().unix_socket(path).build();
                Ok(Some(Self(client.context("cannot speak to the running server")?)))
            }
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
            {
                Ok(None)
            }
            Err(error) => Err(error).with_context(|| format!("cannot connect to {}", path.display())),
        }
    }

    /// Asks for something; the pieces of what is answered.
    pub(crate) async fn post(
        &self,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<impl Stream<Item = io::Result<Bytes>> + Unpin + use<>> {
        let request = self.0.post(format!("http://control{path}"));
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let response = request.send().await.context("the running server did not take the command")?;
        if !response.status().is_success() {
            let text = response.text().await.unwrap_or_default();
            match serde_json::from_str(&text) {
                Ok(Line::Failed { error }) => bail!("{error}"),
                _ => bail!("the running server does not understand the command: is it of another version?"),
            }
        }
        Ok(response.bytes_stream().map_err(io::Error::other).boxed())
    }

    /// Asks for work and tells `tell` how it goes; the last line.
    pub(super) async fn work(
        &self,
        path: &str,
        body: Option<Value>,
        tell: impl Fn(u8, &str),
    ) -> anyhow::Result<Line> {
        let pieces = self.post(path, body).await?;
        let mut lines = BufReader::new(StreamReader::new(pieces)).lines();
        while let Some(line) = lines.next_line().await.context("the running server broke off")? {
            match serde_json::from_str(&line).context("the running server answered something strange")? {
                Line::Progress { percent, words } => tell(percent, &words),
                last => return Ok(last),
            }
        }
        bail!("the running server broke off; its log says why")
    }
}
