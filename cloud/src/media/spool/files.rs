//! The spool's directory: one file an object, whose name says what is to be done with it.
//!
//! `00000000000000000012.r.live%2Fevt_…%2F7.m4s`: its number, what it is worth (`r` a
//! recording's, `v` viewers' look-back, `d` an object to be deleted), and the path in
//! the store. A file gets its name when its bytes are on disk.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};

use bytes::Bytes;
use object_store::path::Path;

use super::order::{Job, Order, Worth};

const UNFINISHED: &str = ".part";

/// Makes the directory and lists what is in it, the lowest number first.
pub(super) fn open(directory: &FilePath) -> io::Result<Vec<Job>> {
    if !directory.exists() {
        stagebox_durable::make_folder(directory)?;
        // What is put into it must not vanish in a power cut because the directory itself does.
        for above in directory.ancestors().skip(1).take(2) {
            File::open(above)?.sync_all()?;
        }
    }
    let mut jobs = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if name.ends_with(UNFINISHED) {
            fs::remove_file(entry.path())?;
        } else if let Some((number, order, path)) = parse(name) {
            jobs.push(Job { number, order, path, bytes: entry.metadata()?.len() });
        } else {
            tracing::warn!(file = %entry.path().display(), "this is no file of the media spool; it is left alone");
        }
    }
    jobs.sort_by_key(|job| job.number);
    Ok(jobs)
}

/// Writes an object; it is on disk afterwards.
pub(super) fn write(directory: &FilePath, job: &Job, data: &[u8]) -> io::Result<()> {
    let unfinished = directory.join(format!("{:020}{UNFINISHED}", job.number));
    let written = (|| {
        let mut file = File::create(&unfinished)?;
        file.write_all(data)?;
        // A deletion that is forgotten in a power cut leaves an orphan, which `media check` finds.
        if job.order != Order::Delete {
            file.sync_data()?;
        }
        fs::rename(&unfinished, place(directory, job))?;
        if job.order != Order::Delete {
            File::open(directory)?.sync_all()?;
        }
        Ok(())
    })();
    if written.is_err() {
        // What is left of it is removed at the next start at the latest.
        let _ = fs::remove_file(&unfinished);
    }
    written
}

/// Reads a part of an object; `None` if it is not here any more.
pub(super) fn read(directory: &FilePath, job: &Job, range: Range<u64>) -> io::Result<Option<Bytes>> {
    let mut file = match File::open(place(directory, job)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let range = range.start.min(job.bytes)..range.end.min(job.bytes);
    if range.start > 0 {
        file.seek(SeekFrom::Start(range.start))?;
    }
    let mut data = vec![0; (range.end - range.start) as usize];
    file.read_exact(&mut data)?;
    Ok(Some(data.into()))
}

/// Removes an object; one that is gone already is as good.
pub(super) fn remove(directory: &FilePath, job: &Job) -> io::Result<()> {
    match fs::remove_file(place(directory, job)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Bytes that may still be written to the disk of `directory`.
pub(super) fn free_bytes(directory: &FilePath) -> io::Result<u64> {
    let disk = nix::sys::statvfs::statvfs(directory)?;
    Ok(disk.blocks_available() * disk.fragment_size())
}

/// The file that an object lies in.
pub(super) fn place(directory: &FilePath, job: &Job) -> PathBuf {
    let letter = match job.order {
        Order::Put(Worth::Recorded) => 'r',
        Order::Put(Worth::LookBack) => 'v',
        Order::Delete => 'd',
    };
    let path: String = url::form_urlencoded::byte_serialize(job.path.as_ref().as_bytes()).collect();
    directory.join(format!("{:020}.{letter}.{path}", job.number))
}

fn parse(name: &str) -> Option<(u64, Order, Path)> {
    let (number, rest) = name.split_once('.')?;
    let (letter, path) = rest.split_once('.')?;
    let order = match letter {
        "r" => Order::Put(Worth::Recorded),
        "v" => Order::Put(Worth::LookBack),
        "d" => Order::Delete,
        _ => return None,
    };
    let (path, _) = url::form_urlencoded::parse(path.as_bytes()).next()?;
    Some((number.parse().ok()?, order, Path::parse(path).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(number: u64, order: Order, path: &str) -> Job {
        Job { number, order, path: Path::from(path), bytes: 5 }
    }

    #[test]
    fn names_read_back_and_what_was_cut_off_goes() {
        let directory = tempfile::tempdir().unwrap();
        let jobs = [
            job(1, Order::Put(Worth::Recorded), "live/evt_1/source/init-0.mp4"),
            job(2, Order::Put(Worth::LookBack), "a b/100%+c&d=e.m4s"),
            Job { bytes: 0, ..job(30, Order::Delete, "live/x") },
        ];
        assert!(open(directory.path()).unwrap().is_empty());
        for job in jobs.iter().rev() {
            write(directory.path(), job, &b"hello"[..job.bytes as usize]).unwrap();
        }
        fs::write(directory.path().join("00000000000000000031.part"), "x").unwrap();
        fs::write(directory.path().join("notes.txt"), "x").unwrap();
        assert_eq!(open(directory.path()).unwrap(), jobs);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 4);
        assert_eq!(read(directory.path(), &jobs[1], 1..3).unwrap().unwrap(), &b"el"[..]);
        assert_eq!(read(directory.path(), &jobs[1], 0..u64::MAX).unwrap().unwrap(), &b"hello"[..]);
        remove(directory.path(), &jobs[1]).unwrap();
        remove(directory.path(), &jobs[1]).unwrap();
        assert_eq!(read(directory.path(), &jobs[1], 0..5).unwrap(), None);
    }
}
