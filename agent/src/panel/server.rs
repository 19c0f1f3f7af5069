//! Accepts panels, and keeps what all of them show.
#![allow(clippy::disallowed_methods, reason = "a driver: it looks at the box's surroundings now and then")]

use std::{
    net::{Ipv4Addr, UdpSocket},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use stagebox_protocol::panel::Cloud;
use tokio::sync::{Semaphore, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{PanelError, session, socket::PanelSocket, view::Surroundings};
use crate::{control::Control, link::LinkState};

/// Panels at once; a box has one, and somebody may look on in a terminal.
const MAX_PANELS: usize = 4;
/// The network may change; nobody waits for its address on a display.
const ADDRESS_PERIOD: Duration = Duration::from_secs(10);
/// After an accept that failed (no file descriptors left), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What the panel's part is told at its start.
#[derive(Debug, Clone)]
pub struct PanelOptions {
    /// Where the panel finds the agent.
    pub socket: PathBuf,
    /// The box's name for people.
    pub device: String,
}

/// The panel's part of the agent; dropping it closes the socket and removes its file.
#[derive(Debug)]
pub struct PanelHandle {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl PanelHandle {
    /// Closes every panel's line and removes the socket's file.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

impl Drop for PanelHandle {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Opens the panel's socket and serves it.
///
/// `link` is the state of the link to the cloud, if there is one.
///
/// # Errors
/// The path cannot be used, or another agent listens there.
pub fn spawn(
    options: PanelOptions,
    control: Control,
    link: Option<watch::Receiver<LinkState>>,
) -> Result<PanelHandle, PanelError> {
    let socket = PanelSocket::open(&options.socket)?;
    tracing::info!(path = %options.socket.display(), "the panel's socket is open");
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let first = Surroundings { device: options.device, ..Surroundings::default() };
    let (publish, surroundings) = watch::channel(first);
    let server = Server { control, surroundings, stop: stop.clone(), tasks: tasks.clone() };
    tasks.spawn(watch_surroundings(link, publish, stop.clone()));
    tasks.spawn(server.accept(socket));
    tasks.close();
    Ok(PanelHandle { stop, tasks })
}

struct Server {
    control: Control,
    surroundings: watch::Receiver<Surroundings>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Server {
    async fn accept(self, socket: PanelSocket) {
        let places = Arc::new(Semaphore::new(MAX_PANELS));
        loop {
            let accepted = tokio::select! {
                accepted = socket.listener.accept() => accepted,
                () = self.stop.cancelled() => return,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "accept a panel");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                tracing::warn!(most = MAX_PANELS, "one panel too many was turned away");
                continue;
            };
            let session = session::serve(stream, self.control.clone(), self.surroundings.clone());
            let stop = self.stop.clone();
            self.tasks.spawn(async move {
                let _place = place;
                tokio::select! {
                    ended = session => tracing::debug!(%ended, "a panel is gone"),
                    () = stop.cancelled() => {}
                }
            });
        }
    }
}

async fn watch_surroundings(
    mut link: Option<watch::Receiver<LinkState>>,
    publish: watch::Sender<Surroundings>,
    stop: CancellationToken,
) {
    let mut period = tokio::time::interval(ADDRESS_PERIOD);
    loop {
        let changed = async {
            // The link ends before the panel does when the box shuts down.
            let ended = match &mut link {
                Some(link) => link.changed().await.is_err(),
                None => true,
            };
            if ended {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            _ = period.tick() => {}
            () = changed => {}
            () = stop.cancelled() => return,
        }
        let cloud = link.as_ref().map_or(Cloud::Unset, |link| match &*link.borrow() {
            LinkState::Online => Cloud::Online,
            LinkState::Connecting | LinkState::Away(_) => Cloud::Connecting,
        });
        let address = own_address().unwrap_or_default();
        publish.send_if_modified(|now| {
            let changed = now.cloud != cloud || now.address != address;
            (now.cloud, now.address) = (cloud, address);
            changed
        });
    }
}

/// The address that this box has towards its default route.
fn own_address() -> Option<String> {
    // Connecting a UDP socket only looks up the route: nothing is sent (192.0.2.0/24 is RFC 5737's).
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    Some(socket.local_addr().ok()?.ip().to_string())
}
