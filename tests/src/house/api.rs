//! The cloud's HTTP interface, as a foreign client sees it.

use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use super::wait_until;

/// An answer that was not a success, with the problem's words.
#[derive(Debug, Clone)]
pub struct ApiFailure {
    pub status: StatusCode,
    pub body: Value,
}

impl std::fmt::Display for ApiFailure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.status, self.body)
    }
}

impl std::error::Error for ApiFailure {}

/// The API with one user's name and password.
#[derive(Debug, Clone)]
pub struct Api {
    client: Client,
    base: String,
    email: String,
    password: String,
}

impl Api {
    #[must_use]
    pub fn new(base: &str, email: &str, password: &str) -> Self {
        // The first provider that is installed stays; a second try changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(30))
            .build()
            .expect("a client without options is valid");
        Self { client, base: base.to_owned(), email: email.to_owned(), password: password.to_owned() }
    }

    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    #[must_use]
    pub fn credentials(&self) -> (&str, &str) {
        (&self.email, &self.password)
    }

    /// One call under `/api/v1`.
    ///
    /// # Errors
    /// [`ApiFailure`] for an answer of 400 and above.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let url = format!("{}/api/v1/{path}", self.base);
        let mut request =
            self.client.request(method.clone(), &url).basic_auth(&self.email, Some(&self.password));
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.with_context(|| format!("{method} {url}"))?;
        let status = answer.status();
        let text = answer.text().await.with_context(|| format!("reading {method} {url}"))?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        if status.is_success() { Ok(body) } else { Err(ApiFailure { status, body }.into()) }
    }

    /// # Errors
    /// As [`Api::call`].
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.call(Method::GET, path, None).await
    }

    /// # Errors
    /// As [`Api::call`].
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// # Errors
    /// As [`Api::call`].
    pub async fn put(&self, path: &str, body: &Value) -> Result<Value> {
        self.call(Method::PUT, path, Some(body)).await
    }

    /// # Errors
    /// As [`Api::call`].
    pub async fn patch(&self, path: &str, body: &Value) -> Result<Value> {
        self.call(Method::PATCH, path, Some(body)).await
    }

    /// The data of the next server-sent event of this name.
    ///
    /// # Errors
    /// When the stream ends, or none comes in `limit`.
    pub async fn next_event(&self, path: &str, name: &str, limit: Duration) -> Result<Value> {
        let url = format!("{}/api/v1/{path}", self.base);
        let (start, mut lines) = (format!("event:{name}\n"), String::new());
        let read = async {
            let request = self.client.get(&url).basic_auth(&self.email, Some(&self.password));
            let mut answer = request.send().await?.error_for_status()?;
            while let Some(piece) = answer.chunk().await? {
                lines.push_str(&String::from_utf8_lossy(&piece));
                let event = lines.split("\n\n").find(|event| event.starts_with(&start));
                if let Some(data) =
                    event.and_then(|event| event.lines().find_map(|line| line.strip_prefix("data:")))
                    && let Ok(data) = serde_json::from_str(data)
                {
                    return Ok(data);
                }
            }
            anyhow::bail!("the stream ended")
        };
        tokio::time::timeout(limit, read).await.with_context(|| format!("no {name} came from {url}"))?
    }

    /// A page or a media file outside the API, without a login.
    ///
    /// # Errors
    /// When there is no answer, or it is not a success.
    pub async fn fetch(&self, path: &str) -> Result<bytes::Bytes> {
        let url = if path.contains("://") { path.to_owned() } else { format!("{}{path}", self.base) };
        let answer = self.client.get(&url).send().await.with_context(|| format!("GET {url}"))?;
        let answer = answer.error_for_status().with_context(|| format!("GET {url}"))?;
        answer.bytes().await.with_context(|| format!("reading {url}"))
    }

    /// A file of the API, or one range of it such as `bytes=0-99`.
    ///
    /// # Errors
    /// When there is no answer, or it is not a success.
    pub async fn download(&self, path: &str, range: Option<String>) -> Result<bytes::Bytes> {
        let url = format!("{}/api/v1/{path}", self.base);
        let mut request = self.client.get(&url).basic_auth(&self.email, Some(&self.password));
        if let Some(range) = range {
            request = request.header("range", range);
        }
        let answer = request.send().await.with_context(|| format!("GET {url}"))?;
        let answer = answer.error_for_status().with_context(|| format!("GET {url}"))?;
        answer.bytes().await.with_context(|| format!("reading {url}"))
    }

    /// [`Api::fetch`] as text.
    ///
    /// # Errors
    /// As [`Api::fetch`], or when it is not UTF-8.
    pub async fn fetch_text(&self, path: &str) -> Result<String> {
        let bytes = self.fetch(path).await?;
        String::from_utf8(bytes.to_vec()).with_context(|| format!("{path} is not UTF-8"))
    }

    /// Sets an event's status.
    ///
    /// # Errors
    /// As [`Api::call`].
    pub async fn set_status(&self, event: &str, status: &str) -> Result<Value> {
        self.post(&format!("events/{event}/status"), &json!({ "status": status })).await
    }

    /// Waits until the event says that it receives on `input` (`main` or `backup`).
    ///
    /// # Errors
    /// When it does not in `limit`.
    pub async fn wait_receiving(&self, event: &str, input: &str, limit: Duration) -> Result<()> {
        wait_until(&format!("{event} receives on {input}"), limit, || async {
            let event = self.get(&format!("events/{event}")).await?;
            Ok(event["inputs"][input]["receiving"].as_bool().filter(|receiving| *receiving).map(|_| ()))
        })
        .await
    }

    /// Waits for the item made of an event's recordings.
    ///
    /// # Errors
    /// When there is none in `limit`.
    pub async fn wait_item(&self, event: &str, limit: Duration) -> Result<Value> {
        wait_until(&format!("an item of {event}"), limit, || async {
            let items = self.get("items").await?;
            let items = items["data"].as_array().cloned().unwrap_or_default();
            Ok(items.into_iter().find(|item| item["event_id"] == event))
        })
        .await
    }
}
