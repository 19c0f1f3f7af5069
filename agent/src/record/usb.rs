//! Tells the writing thread which USB disks there are, as soon as one comes or goes.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::sync::mpsc;

use super::mounts::{Places, Stick, is_removable, sticks};
use super::writer::Job;

/// How often it is looked whether anybody still wants to know.
const LOOK_MS: u16 = 1_000;
/// More than this is read of no table.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// The disks that are there now; none where that cannot be told.
pub(super) fn look(places: &Places) -> Vec<Stick> {
    File::open(&places.mountinfo).and_then(|table| read(&table, places)).unwrap_or_default()
}

/// Follows the table of mounts for as long as there is a writer.
pub(super) fn watch(places: Places, first: Vec<Stick>, jobs: mpsc::WeakSender<Job>) -> io::Result<()> {
    let table = File::open(&places.mountinfo)?;
    std::thread::Builder::new()
        .name("usb-disks".to_owned())
        .spawn(move || follow(&table, &places, first, &jobs))
        .map(drop)
}

fn follow(table: &File, places: &Places, mut known: Vec<Stick>, jobs: &mpsc::WeakSender<Job>) {
    loop {
        let mut waits = [PollFd::new(table.as_fd(), PollFlags::POLLPRI)];
        // A change since the last reading is told at once: proc(5).
        let waited = poll(&mut waits, PollTimeout::from(LOOK_MS));
        let Some(jobs) = jobs.upgrade() else { return };
        match waited {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => {
                tracing::error!(%error, "cannot watch for USB disks any more");
                return;
            }
        }
        let now = read(table, places).unwrap_or_default();
        if now != known && jobs.blocking_send(Job::Sticks(now.clone())).is_err() {
            return;
        }
        known = now;
    }
}

fn read(table: &File, places: &Places) -> io::Result<Vec<Stick>> {
    let mut bytes = Vec::new();
    let mut piece = vec![0; 64 * 1024];
    while bytes.len() < MOST_BYTES {
        let read = table.read_at(&mut piece, bytes.len() as u64)?;
        if read == 0 {
            break;
        }
        bytes.extend_from_slice(&piece[..read]);
    }
    Ok(sticks(&bytes, &places.media, |device| is_removable(&places.sys, device)))
}
