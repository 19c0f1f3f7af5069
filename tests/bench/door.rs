//! A door before a server: it passes connections on, and tells when they come and go.

use anyhow::{Context, Result};
use tokio::io::copy;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::live::STEP;

/// How many connections came, and how many of them are over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Passed {
    pub(crate) came: usize,
    pub(crate) went: usize,
}

/// Open until it is dropped.
pub(crate) struct Door {
    pub(crate) port: u16,
    passed: watch::Receiver<Passed>,
    _end: DropGuard,
}

impl Door {
    /// Before a port of this machine.
    pub(crate) async fn before(port: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("a port for a door")?;
        let own = listener.local_addr()?.port();
        let (count, passed) = watch::channel(Passed::default());
        let end = CancellationToken::new();
        tokio::spawn(end.clone().run_until_cancelled_owned(async move {
            while let Ok((near, _)) = listener.accept().await {
                count.send_modify(|passed| passed.came += 1);
                let count = count.clone();
                tokio::spawn(async move {
                    pass(near, port).await;
                    count.send_modify(|passed| passed.went += 1);
                });
            }
        }));
        Ok(Self { port: own, passed, _end: end.drop_guard() })
    }

    pub(crate) fn passed(&self) -> Passed {
        *self.passed.borrow()
    }

    /// Waits until so many came and went; says when.
    pub(crate) async fn see(&self, what: &str, is: impl FnMut(&Passed) -> bool) -> Result<Instant> {
        let mut passed = self.passed.clone();
        timeout(STEP, passed.wait_for(is)).await.with_context(|| what.to_owned())?.context("the door")?;
        Ok(Instant::now())
    }
}

/// Until either side has said its last word.
async fn pass(mut near: TcpStream, port: u16) {
    let Ok(mut far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let ((mut near_in, mut near_out), (mut far_in, mut far_out)) = (near.split(), far.split());
    tokio::select! {
        _ = copy(&mut near_in, &mut far_out) => {}
        _ = copy(&mut far_in, &mut near_out) => {}
    }
}
