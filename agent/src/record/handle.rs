//! Starts the recorder, and the handle that others have of it.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use stagebox_protocol::Outcome;
use stagebox_push::Hub;
use tokio::sync::{mpsc, oneshot, watch};

use super::details::Label;
use super::disk::{Disk, Means, random_id};
use super::driver::{Command, Driver};
use super::index::{Index, Recording};
use super::uploads::Uploads;
use super::writer::{FreeBytes, Writer, free_bytes};
use super::{RecordError, RecorderConfig, RecorderStatus, Room, hasher, usb};
use crate::clock::Clock;
use crate::durable::{Durable, DurableError};

/// Fragments that may wait for the disk besides those that wait as frames.
const JOBS: usize = 16;
/// Characters of what recordings are named after.
const LONGEST_TITLE: usize = 200;
/// Holds what the recorder itself is called.
const TREE: &str = "recorder";
const OWNER: &str = "owner";

/// A handle to the recorder; when the last clone is gone, the open file is finished and the recorder ends.
#[derive(Debug, Clone)]
pub struct RecorderHandle {
    commands: mpsc::UnboundedSender<Command>,
    status: watch::Receiver<RecorderStatus>,
    label: watch::Sender<Label>,
    index: Index,
    uploads: Uploads,
}

impl RecorderHandle {
    /// Records from the last keyframe on; does nothing if it records already.
    pub fn start(&self) {
        // a recorder that has ended does not record
        let _ = self.commands.send(Command::Start);
    }

    /// Ends the recording; returns when the file holds every frame published before the call and is on disk.
    pub async fn stop(&self) {
        let (done, wait) = oneshot::channel();
        if self.commands.send(Command::Stop(Some(done))).is_ok() {
            let _ = wait.await;
        }
    }

    /// Ends the recording as [`Self::stop`] does, without waiting for it.
    pub fn request_stop(&self) {
        let _ = self.commands.send(Command::Stop(None));
    }

    /// Marks the newest moment of the recording; the answer comes when that is on disk.
    ///
    /// A `command` that has made a mark makes no second one. Refused (409) while nothing is recorded.
    pub fn mark(
        &self,
        label: Option<String>,
        command: Option<String>,
    ) -> impl Future<Output = Outcome> + Send + use<> {
        let (reply, answer) = oneshot::channel();
        let sent = self.commands.send(Command::Mark { label, command, reply });
        async move {
            let ended = || Outcome::Rejected { code: 503, error: "the recorder has ended".to_owned() };
            if sent.is_err() {
                return ended();
            }
            answer.await.unwrap_or_else(|_| ended())
        }
    }

    /// Has files end after so much from the next one on, and recordings take this room from now on.
    pub fn configure(&self, segment_s: u32, segment_bytes: Option<u64>, room: Room) {
        // a recorder that has ended does not record
        let _ = self.commands.send(Command::Configure { segment_s, segment_bytes, room });
    }

    /// Names the files that begin from now on; of the title 200 characters are kept.
    pub fn set_label(&self, label: Label) {
        let title = label.title.chars().take(LONGEST_TITLE).collect();
        let label = Label { title, ..label };
        self.label.send_if_modified(|current| {
            let changed = *current != label;
            *current = label;
            changed
        });
    }

    /// What it is doing, always the latest.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<RecorderStatus> {
        self.status.clone()
    }

    /// The recordings on the box's disks, oldest first.
    #[must_use]
    pub fn recordings(&self) -> Vec<Recording> {
        self.index.list()
    }

    /// Which of them are to be uploaded, and how far each came.
    #[must_use]
    pub fn uploads(&self) -> Uploads {
        self.uploads.clone()
    }
}

/// Starts the recorder, which first makes every file in its folder whole.
///
/// # Errors
/// The index cannot be opened, or there can be no thread to write.
pub fn spawn(
    config: RecorderConfig,
    hub: Hub,
    durable: &Durable,
    clock: Clock,
) -> Result<RecorderHandle, RecordError> {
    spawn_on(config, hub, durable, clock, Box::new(free_bytes))
}

pub(super) fn spawn_on(
    config: RecorderConfig,
    hub: Hub,
    durable: &Durable,
    clock: Clock,
    free_bytes: FreeBytes,
) -> Result<RecorderHandle, RecordError> {
    let (index, uploads) = (Index::open(durable)?, Uploads::open(durable)?);
    let (jobs, job_queue) = mpsc::channel(JOBS);
    let (report, reports) = mpsc::unbounded_channel();
    let (label, labels) = watch::channel(config.label.clone());
    let done = Arc::new(AtomicU64::new(0));
    let sticks = config.usb.as_ref().map(usb::look).unwrap_or_default();
    let means = Means {
        index: index.clone(),
        uploads: uploads.clone(),
        durable: durable.clone(),
        clock,
        room: config.room,
        free_bytes,
    };
    let writer = Writer {
        means,
        internal: Disk::internal(config.dir.clone()),
        usb: None,
        distrusted: Vec::new(),
        disk_error: None,
        owner: owner(durable)?,
        open: BTreeMap::new(),
        broken: false,
        number: 0,
        label: labels,
        upload: config.upload,
        hashes: hasher::spawn(jobs.downgrade()).map_err(RecordError::Thread)?,
        reports: report,
        done: Arc::clone(&done),
    };
    let known = sticks.clone();
    std::thread::Builder::new()
        .name("recorder".to_owned())
        .spawn(move || writer.run(job_queue, sticks))
        .map_err(RecordError::Thread)?;
    let writer_jobs = jobs.downgrade();
    let (commands, inbox) = mpsc::unbounded_channel();
    let (publish, status) =
        watch::channel(RecorderStatus { dir: config.dir.clone(), ..RecorderStatus::default() });
    let driver = Driver::new(&config, hub, jobs, done, uploads.clone(), publish);
    if let Some(places) = config.usb
        && let Err(error) = usb::watch(places, known, writer_jobs)
    {
        tracing::error!(%error, "USB disks that are plugged in later are not seen (record.prefer_usb)");
    }
    tokio::spawn(driver.run(inbox, reports));
    Ok(RecorderHandle { commands, status, label, index, uploads })
}

/// What this box calls itself on disks that others use too: drawn once.
fn owner(durable: &Durable) -> Result<String, RecordError> {
    let tree = durable.tree(TREE)?;
    let kept = tree.get(OWNER).map_err(DurableError::from)?;
    if let Some(owner) = kept.and_then(|kept| String::from_utf8(kept.to_vec()).ok()) {
        return Ok(owner);
    }
    let owner = random_id().map_err(RecordError::Thread)?;
    tree.insert(OWNER, owner.as_bytes()).map_err(DurableError::from)?;
    Ok(owner)
}
