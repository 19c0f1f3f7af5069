//! What the writing thread does between fragments: checksums, marks, and disks that come and go.

use std::collections::BTreeSet;
use std::io;

use stagebox_protocol::Outcome;

use super::details::{MOST_MARKS, Mark};
use super::disk::{Disk, is_full};
use super::index::Recording;
use super::marks::{Marking, refused};
use super::mounts::Stick;
use super::writer::{Report, Spot, Writer};
use super::written::Place;

impl Writer {
    /// The index can be rebuilt: a file is never given up for it.
    pub(super) fn note(&self, place: Place, recording: &Recording) {
        let noted = self.means.index.put(recording).and_then(|()| self.disk(place).note(&self.means));
        if let Err(error) = noted {
            tracing::warn!(%error, "cannot note a recording");
        }
    }

    /// Goes on with what was left undone on a disk: checksums, and uploads of what has one.
    pub(super) fn take_up(&mut self, place: Place) {
        let (id, dir) = (self.disk(place).id.clone(), self.disk(place).dir.clone());
        for recording in self.means.index.list_on(id.as_deref()) {
            if recording.closed {
                self.hashes.want(&dir.join(&recording.file), &recording);
                self.offer(&recording);
            }
        }
    }

    /// Puts a closed recording whose checksum is known on the list of uploads, if it is to be there.
    fn offer(&self, recording: &Recording) {
        let Some(sha256) = recording.details.sha256.as_ref().filter(|_| recording.details.to_upload) else {
            return;
        };
        let disk = recording.details.disk.as_deref();
        if let Err(error) = self.means.uploads.add(&recording.file, recording.bytes, sha256, disk) {
            tracing::warn!(file = recording.file, %error, "cannot put a recording on the list of uploads");
        }
    }

    pub(super) fn hashed(&mut self, file: &str, bytes: u64, sha256: io::Result<String>) {
        self.hashes.came(file);
        let sha256 = match sha256 {
            Ok(sha256) => sha256,
            Err(error) => {
                // The next start tries again.
                tracing::warn!(file, %error, "cannot read a recording for its checksum");
                return;
            }
        };
        let is_same = |recording: &Recording| recording.closed && recording.bytes == bytes;
        let Some(mut recording) = self.means.index.get(file).filter(is_same) else { return };
        recording.details.sha256 = Some(sha256);
        let own = recording.details.disk.is_none();
        let place = if own { Place::Internal } else { Place::Usb };
        if self.disk(place).id != recording.details.disk {
            return;
        }
        self.note(place, &recording);
        let (dir, id) = (&self.disk(place).dir, self.disk(place).id.as_deref());
        if let Err(error) = self.means.index.write_sums(dir, id) {
            tracing::warn!(%error, "cannot write the checksums");
        }
        self.offer(&recording);
    }

    /// Notes a moment; the answer comes when it is on disk.
    pub(super) fn mark(&mut self, marking: Marking) {
        let Marking { file, at_ns, label, command, reply } = marking;
        let is_there = |recording: &Recording| {
            command.is_some() && recording.details.marks.iter().any(|mark| mark.command == command)
        };
        if self.means.index.list().iter().any(is_there) {
            return Self::answer(reply, Outcome::Done);
        }
        let Some(open) = self.open.get_mut(&file) else {
            return Self::answer(
                reply,
                refused("the recording is just going on in another file; mark again"),
            );
        };
        if open.details.marks.len() >= MOST_MARKS {
            let words = format!("this file has {MOST_MARKS} marks already; the next file takes more");
            return Self::answer(reply, refused(&words));
        }
        let mark = Mark { at_ns, label: label.clone(), command };
        let (at_ms, name) = (mark.at_ms(), open.name.to_string());
        open.details.marks.push(mark);
        let (place, recording) = (open.place, open.recording(false));
        let kept = self.means.index.put(&recording).and_then(|()| self.disk(place).note(&self.means));
        match kept.and_then(|()| self.means.durable.blocking_sync().map_err(io::Error::other)) {
            Ok(()) => {
                self.report(Report::Marked { file: name, at_ms, label });
                Self::answer(reply, Outcome::Done);
            }
            Err(error) => {
                if let Some(open) = self.open.get_mut(&file) {
                    open.details.marks.pop();
                }
                let error = format!("the mark cannot be kept: {}", self.disk(place).in_words(&error));
                Self::answer(reply, Outcome::Rejected { code: 500, error });
            }
        }
    }

    /// Takes the USB disks that there are now.
    pub(super) fn sticks(&mut self, sticks: Vec<Stick>) {
        self.distrusted.retain(|stick| sticks.contains(stick));
        let gone = |usb: &Disk| usb.stick.as_ref().is_some_and(|stick| !sticks.contains(stick));
        if self.usb.as_ref().is_some_and(gone) {
            self.lose();
        }
        for stick in sticks {
            if self.usb.is_some() {
                break;
            }
            if !self.distrusted.contains(&stick) {
                self.adopt(stick);
            }
        }
        self.place();
    }

    fn adopt(&mut self, stick: Stick) {
        let name = stick.name();
        // The name of the box's folder is on disk before the folder.
        let kept = self.means.durable.blocking_sync().map_err(io::Error::other);
        match kept.and_then(|()| Disk::usb(stick.clone(), &self.owner)) {
            Ok(mut disk) => {
                tracing::info!(disk = name, dir = %disk.dir.display(), "a USB disk is there; the next file goes there");
                // What was left open there is nobody's any more.
                disk.mend(&self.means, &BTreeSet::new());
                self.usb = Some(disk);
                self.disk_error = None;
                self.take_up(Place::Usb);
            }
            Err(error) => {
                tracing::warn!(disk = name, %error, "a USB disk cannot be recorded to");
                self.disk_error = Some(format!(
                    "{name} cannot be recorded to: {error}; make it writable (exFAT, FAT32 or ext4) or take another one"
                ));
                self.distrusted.push(stick);
            }
        }
    }

    /// Why the USB disk takes nothing for now: a full one may have room later, another failure is not trusted again.
    pub(super) fn turn_away(&mut self, error: &io::Error) {
        let Some(usb) = &mut self.usb else { return };
        usb.refuse(self.means.clock.now());
        let name = usb.name();
        if is_full(error) {
            let words = format!("{name} is full: {error}; make room on it, or take another one");
            // It is tried for each file.
            if self.disk_error.as_ref() != Some(&words) {
                tracing::warn!(disk = name, %error, "a USB disk is full");
            }
            self.disk_error = Some(words);
        } else {
            tracing::error!(disk = name, %error, "a USB disk failed");
            self.distrusted.extend(usb.stick.clone());
            self.take_away(&format!("failed: {error}"));
        }
        self.place();
    }

    /// A USB disk is not mounted any more.
    fn lose(&mut self) {
        let (why, was_open) = ("was taken away", self.is_open(Place::Usb));
        if !was_open {
            return self.take_away(why);
        }
        self.drop_open();
        self.take_away(why);
        self.break_off(self.disk_error.clone().unwrap_or_default(), None, Place::Usb);
    }

    /// Goes on without the USB disk.
    fn take_away(&mut self, why: &str) {
        let Some(usb) = &self.usb else { return };
        let (name, id) = (usb.name(), usb.id.clone());
        tracing::warn!(disk = name, why, "a USB disk is gone");
        self.disk_error =
            Some(format!("{name} {why}; recordings go onto the internal disk until one is plugged in"));
        self.usb = None;
        if let Some(Err(error)) = id.map(|id| self.means.index.leave(&id)) {
            tracing::warn!(%error, "cannot note that a USB disk is gone");
        }
    }

    /// Tells where the next file goes.
    pub(super) fn place(&self) {
        let place = if self.usb.is_some() { Place::Usb } else { Place::Internal };
        self.report(Report::Placed { spot: self.spot(place), error: self.disk_error.clone() });
    }

    pub(super) fn spot(&self, place: Place) -> Spot {
        let disk = self.disk(place);
        Spot { name: disk.name(), dir: disk.dir.clone(), id: disk.id.clone() }
    }
}
