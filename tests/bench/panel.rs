//! A panel at a box's socket: it asks for things, and sees what the box shows.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use stagebox_protocol::panel::{Decoder, FromAgent, Hello, Intent, Outcome, Status, ToAgent, encode, text};
use stagebox_tests::house::wait_until;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

use super::live::STEP;

/// Connected until it is dropped.
pub(crate) struct Panel {
    output: OwnedWriteHalf,
    shown: watch::Receiver<Status>,
    outcomes: mpsc::Receiver<(u16, Outcome)>,
    asked: u16,
}

impl Panel {
    /// Connects, and waits until the box shows something.
    pub(crate) async fn at(socket: &Path) -> Result<Self> {
        let connected = wait_until("the panel's socket answers", STEP, || async {
            Ok(UnixStream::connect(socket).await.ok())
        });
        let (input, output) = connected.await?.into_split();
        let (publish, mut shown) = watch::channel(Status::default());
        let (tell, outcomes) = mpsc::channel(16);
        tokio::spawn(read(input, publish, tell));
        let mut panel = Self { output, shown: shown.clone(), outcomes, asked: 0 };
        panel.say(&ToAgent::Hello(Hello { program: text("bench") })).await?;
        timeout(STEP, shown.changed()).await.context("the box shows nothing")?.context("the box hung up")?;
        Ok(panel)
    }

    async fn say(&mut self, frame: &ToAgent) -> Result<()> {
        self.output.write_all(&encode(frame)).await.context("writing to the panel's socket")
    }

    /// Asks for something, and waits for the answer.
    pub(crate) async fn ask(&mut self, intent: Intent) -> Result<()> {
        self.asked = self.asked.wrapping_add(1);
        self.say(&ToAgent::Intent { id: self.asked, intent }).await?;
        let answer = timeout(STEP, self.outcomes.recv()).await.context("the box does not answer")?;
        let (id, outcome) = answer.context("the box hung up")?;
        ensure!(id == self.asked, "the box answered {id}, not {}", self.asked);
        match outcome {
            Outcome::Done => Ok(()),
            Outcome::Rejected { reason } => bail!("{intent:?} was refused: {reason}"),
        }
    }

    /// Sees what the box shows beside whoever asks.
    pub(crate) fn eyes(&self) -> Eyes {
        Eyes(self.shown.clone())
    }

    /// [`Eyes::see`].
    pub(crate) async fn see(&self, what: &str, is: impl FnMut(&Status) -> bool) -> Result<Instant> {
        self.eyes().see(what, is).await
    }
}

/// What the box shows.
pub(crate) struct Eyes(watch::Receiver<Status>);

impl Eyes {
    /// Waits until the box shows it; says when.
    pub(crate) async fn see(&mut self, what: &str, is: impl FnMut(&Status) -> bool) -> Result<Instant> {
        let seen = timeout(STEP, self.0.wait_for(is)).await;
        seen.with_context(|| format!("the box never shows: {what}"))?.context("the box hung up")?;
        Ok(Instant::now())
    }
}

async fn read(mut input: OwnedReadHalf, shown: watch::Sender<Status>, tell: mpsc::Sender<(u16, Outcome)>) {
    let mut decoder = Decoder::<FromAgent>::new();
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = input.read(&mut buffer).await {
        let mut bytes = &buffer[..length];
        while let Some(frame) = decoder.next(&mut bytes) {
            match frame {
                Ok(FromAgent::Status(status)) => drop(shown.send_replace(status)),
                Ok(FromAgent::Outcome { id, outcome }) => drop(tell.send((id, outcome)).await),
                // A box of another version would not be the one beside this program.
                _ => {}
            }
        }
    }
}
