//! What the line to the cloud carries: bytes that the cloud counts and throws away.
#![allow(clippy::disallowed_methods, reason = "a driver: it reads the clock while it sends")]

use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;

use super::Finding;
use super::judge::{self, Stream};
use crate::config::CloudConfig;
use crate::link::targets::{client, reason};
use crate::trust::Trust;

/// What is sent at most, however much the line carries.
const MOST_BYTES: u64 = 100_000_000;
const BLOCK_BYTES: usize = 64 * 1024;
/// What is on its way when the time is over may take so long to arrive.
const REST: Duration = Duration::from_secs(15);
/// The largest answer that is read.
const MOST_ANSWER: usize = 4096;

/// What the cloud counted.
#[derive(Debug, Deserialize)]
struct Counted {
    bytes: u64,
    ms: u64,
}

/// Sends for so long, and says what that means for the stream.
pub(super) async fn look(cloud: &CloudConfig, trust: &Trust, lasts: Duration, stream: Stream) -> Finding {
    match send(cloud, trust, lasts).await {
        Ok(kbps) => judge::upload(kbps, stream),
        Err(finding) => finding,
    }
}

async fn send(cloud: &CloudConfig, trust: &Trust, lasts: Duration) -> Result<u32, Finding> {
    let (client, url) = client(&cloud.url, "/api/v1/devices/self/upload-test", trust, lasts + REST)
        .map_err(|error| Finding::fail(error.to_string(), "look at [cloud] in the box's configuration"))?;
    let mut block = vec![0; BLOCK_BYTES];
    // Whatever compresses on the way is to have nothing to compress.
    getrandom::fill(&mut block).map_err(|error| Finding::skipped(error.to_string()))?;
    let request = client
        .post(url)
        .basic_auth(&cloud.id, Some(cloud.secret.expose()))
        .header("content-type", "application/octet-stream")
        .body(reqwest::Body::wrap_stream(blocks(block.into(), lasts)));
    let mut response = request.send().await.map_err(|error| broken(&error, lasts))?;
    match response.status().as_u16() {
        200 => {}
        401 | 403 => {
            return Err(Finding::fail(
                "the cloud does not accept this box",
                "look at cloud.id and cloud.secret, and whether the box is enabled in the cloud",
            ));
        }
        404 | 405 => return Err(Finding::skipped("this cloud cannot measure it; a newer one can")),
        429 => {
            return Err(Finding::skipped(
                "the cloud measures no more uploads just now; test again in some minutes",
            ));
        }
        status => {
            let said = format!("the cloud answered {status}");
            return Err(Finding::fail(said, "test again; if it stays so, look at the cloud's log"));
        }
    }
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| broken(&error, lasts))? {
        if body.len() + piece.len() > MOST_ANSWER {
            break;
        }
        body.extend_from_slice(&piece);
    }
    let Counted { bytes, ms } = serde_json::from_slice(&body)
        .map_err(|error| Finding::skipped(format!("the cloud's answer is not readable: {error}")))?;
    // Bits in a millisecond are kbit/s.
    Ok(u32::try_from(bytes.saturating_mul(8) / ms.max(1)).unwrap_or(u32::MAX))
}

/// The same block again and again, until time or bytes are used up.
fn blocks(block: Bytes, lasts: Duration) -> impl stream::Stream<Item = io::Result<Bytes>> {
    stream::unfold((None, 0), move |(began, sent): (Option<Instant>, u64)| {
        // Time counts from when the connection takes the first.
        let began = began.unwrap_or_else(Instant::now);
        let is_over = began.elapsed() >= lasts || sent + block.len() as u64 > MOST_BYTES;
        let next = (!is_over).then(|| (Ok(block.clone()), (Some(began), sent + block.len() as u64)));
        std::future::ready(next)
    })
}

fn broken(error: &reqwest::Error, lasts: Duration) -> Finding {
    if error.is_timeout() && !error.is_connect() {
        let limit = (lasts + REST).as_secs();
        return Finding::fail(
            format!("what was sent to the cloud in {} s had not arrived after {limit} s", lasts.as_secs()),
            "the line carries next to nothing: look at the network, or take another line",
        );
    }
    Finding::fail(
        format!("the cloud cannot be reached: {}", reason(error)),
        "look at the network, and at cloud.url",
    )
}
