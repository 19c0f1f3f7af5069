//! The server's end of `stagebox-cloud account delete`.
#![allow(
    clippy::disallowed_methods,
    reason = "a driver: it looks how far a job of perhaps another process is"
)]

use super::server::{Body, encode, refused};
use super::{Line, Named};
use crate::app::App;
use crate::job::StateName;
use crate::tenant::{self, RemovalError, Survey};
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Between two looks at the job.
const LOOK: Duration = Duration::from_millis(200);

async fn surveyed(app: &App, body: &[u8]) -> Result<Survey, RemovalError> {
    let named: Named =
        serde_json::from_slice(body).map_err(|error| RemovalError::Account(error.to_string()))?;
    tenant::survey(app, &named.account).await
}

/// Counts what an account has.
pub(super) async fn survey(app: &App, body: &[u8]) -> Response<Body> {
    match surveyed(app, body).await {
        Ok(survey) => {
            let whole = Bytes::from(serde_json::to_vec(&survey).unwrap_or_default());
            Response::new(Full::new(whole).map_err(|never| match never {}).boxed())
        }
        Err(error) => refused(StatusCode::CONFLICT, &error.to_string()),
    }
}

/// Has an account deleted by a job, and tells how far that is for as long as somebody listens.
pub(super) async fn delete(app: App, body: &[u8]) -> Response<Body> {
    let begun = async {
        let named: Named =
            serde_json::from_slice(body).map_err(|error| RemovalError::Account(error.to_string()))?;
        let account = tenant::find(&app, &named.account).await?;
        tenant::enqueue(&app, &account).await
    };
    let job = match begun.await {
        Ok(job) => job,
        Err(error) => return refused(StatusCode::CONFLICT, &error.to_string()),
    };
    let (out, lines) = mpsc::channel::<Line>(4);
    tokio::spawn(async move {
        let mut known = 0;
        loop {
            let line = match app.jobs.get(&job).await {
                Err(error) => Line::Failed { error: error.to_string() },
                Ok(None) => Line::Failed { error: "its job is not there any more".to_owned() },
                Ok(Some(view)) => match view.state {
                    StateName::Done => {
                        Line::Done { done: view.words.unwrap_or_default(), faults: Vec::new() }
                    }
                    StateName::Failed => Line::Failed { error: view.error.unwrap_or_default() },
                    StateName::Cancelled => Line::Failed { error: "its job was cancelled".to_owned() },
                    StateName::Waiting | StateName::Running if view.version != known => {
                        known = view.version;
                        let words = view.words.or(view.error);
                        let words = words
                            .unwrap_or_else(|| "waiting for a process with the role `transcode`".to_owned());
                        Line::Progress { percent: view.percent.unwrap_or(0), words }
                    }
                    StateName::Waiting | StateName::Running => {
                        tokio::select! {
                            () = out.closed() => return,
                            () = tokio::time::sleep(LOOK) => continue,
                        }
                    }
                },
            };
            let is_last = !matches!(line, Line::Progress { .. });
            if out.send(line).await.is_err() || is_last {
                return;
            }
        }
    });
    let frames = ReceiverStream::new(lines).map(|line| Ok(Frame::data(encode(&line))));
    Response::new(BodyExt::boxed(StreamBody::new(frames)))
}
