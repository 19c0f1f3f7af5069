//! What a live event has on disk beside the media store: parts of unfinished segments, and the index of all.
//!
//! `segments.jsonl` lists initialisation sections and complete segments, one JSON
//! document a line, synced with each segment. `<msn>.parts` holds the parts of a
//! segment that is not in the store yet; it is removed when it is. Both are only
//! appended to, and both may end in the midst of a record after a crash: what is
//! whole counts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Write as _};
use std::path::{Path, PathBuf};

use bytes::{Buf as _, Bytes};
use serde::{Deserialize, Serialize};
use stagebox_durable::make_folder;

use super::rendition::Rendition;
use super::segment::{Description, PartInfo, Segment};

const INDEX: &str = "segments.jsonl";
const PARTS_SUFFIX: &str = ".parts";
/// Longest header of a part's record.
const MAX_HEADER_BYTES: usize = 64 * 1024;

/// A line of the index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Entry {
    Target {
        target_duration_s: u64,
    },
    Init {
        rendition: Rendition,
        init: u32,
        description: Description,
        /// Its bytes, so that the event goes on after a restart while the media store is away.
        #[serde(default, skip_serializing_if = "Option::is_none", with = "base64_text")]
        data: Option<Bytes>,
    },
    Segment {
        rendition: Rendition,
        segment: Segment,
    },
}

/// Bytes as text in JSON.
mod base64_text {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use bytes::Bytes;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(data: &Option<Bytes>, serializer: S) -> Result<S::Ok, S::Error> {
        match data {
            Some(data) => serializer.serialize_str(&STANDARD.encode(data)),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Bytes>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        let data = text.map(|text| STANDARD.decode(text).map(Bytes::from)).transpose();
        data.map_err(serde::de::Error::custom)
    }
}

/// A segment that was not complete, or not yet in the store.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Unfinished {
    pub(crate) rendition: Rendition,
    pub(crate) segment: Segment,
    pub(crate) data: Bytes,
}

#[derive(Debug, Serialize, Deserialize)]
struct PartHeader {
    rendition: Rendition,
    /// The segment with this part.
    segment: Segment,
    part: PartInfo,
}

#[derive(Debug)]
struct PartsFile {
    file: File,
    /// Renditions whose segment is not in the store yet.
    waiting: BTreeSet<Rendition>,
}

/// The open files of one event.
#[derive(Debug)]
pub(crate) struct Spool {
    dir: PathBuf,
    index: File,
    parts: BTreeMap<u64, PartsFile>,
}

impl Spool {
    /// Opens or makes the event's directory, and reads what is in it.
    pub(crate) fn open(dir: &Path) -> io::Result<(Self, Vec<Entry>, Vec<Unfinished>)> {
        make_folder(dir)?;
        let path = dir.join(INDEX);
        let entries = match fs::read(&path) {
            Ok(data) => {
                let (entries, whole) = parse_index(&data);
                if whole < data.len() {
                    OpenOptions::new().write(true).open(&path)?.set_len(whole as u64)?;
                }
                entries
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let index = OpenOptions::new().create(true).append(true).open(&path)?;
        File::open(dir)?.sync_all()?;
        let unfinished = read_unfinished(dir, &entries)?;
        Ok((Self { dir: dir.to_owned(), index, parts: BTreeMap::new() }, entries, unfinished))
    }

    /// Appends the newest part of `segment`.
    pub(crate) fn append(&mut self, rendition: Rendition, segment: &Segment, data: &[u8]) -> io::Result<()> {
        let Some(part) = segment.parts.last().cloned() else { return Ok(()) };
        let header = PartHeader { rendition, segment: segment.clone(), part };
        let header = serde_json::to_vec(&header)?;
        let parts = match self.parts.entry(segment.msn) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let path = parts_path(&self.dir, segment.msn);
                let file = OpenOptions::new().create(true).append(true).open(path)?;
                entry.insert(PartsFile { file, waiting: BTreeSet::new() })
            }
        };
        parts.waiting.insert(rendition);
        let lengths = [(header.len() as u32).to_be_bytes(), (data.len() as u32).to_be_bytes()].concat();
        let mut slices = [IoSlice::new(&lengths), IoSlice::new(&header), IoSlice::new(data)];
        let mut left = &mut slices[..];
        while !left.is_empty() {
            match parts.file.write_vectored(left) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut left, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Adds to the index and waits until it is on disk; the store has what it tells of.
    pub(crate) fn record(&mut self, entries: &[Entry]) -> io::Result<()> {
        let mut lines = Vec::new();
        for entry in entries {
            serde_json::to_writer(&mut lines, entry)?;
            lines.push(b'\n');
        }
        self.index.write_all(&lines)?;
        self.index.sync_data()?;
        for entry in entries {
            if let Entry::Segment { rendition, segment } = entry {
                self.forget(*rendition, segment.msn)?;
            }
        }
        Ok(())
    }

    /// Replaces the index as a whole, where another process has gone on with the event meanwhile.
    pub(crate) fn rewrite(&mut self, entries: &[Entry]) -> io::Result<()> {
        let mut lines = Vec::new();
        for entry in entries {
            serde_json::to_writer(&mut lines, entry)?;
            lines.push(b'\n');
        }
        let (path, beside) = (self.dir.join(INDEX), self.dir.join(format!("{INDEX}.part")));
        let mut file = File::create(&beside)?;
        file.write_all(&lines)?;
        file.sync_all()?;
        fs::rename(&beside, &path)?;
        File::open(&self.dir)?.sync_all()?;
        self.index = OpenOptions::new().append(true).open(&path)?;
        Ok(())
    }

    /// Removes the files of parts that were read back and stored.
    pub(crate) fn clear_unfinished(&self) -> io::Result<()> {
        for msn in parts_files(&self.dir)? {
            if !self.parts.contains_key(&msn) {
                fs::remove_file(parts_path(&self.dir, msn))?;
            }
        }
        Ok(())
    }

    /// Reads back the parts of a segment that is not kept elsewhere; `None` if they are not all here.
    pub(crate) fn parts_of(&self, rendition: Rendition, segment: &Segment) -> io::Result<Option<Bytes>> {
        let data = match fs::read(parts_path(&self.dir, segment.msn)) {
            Ok(data) => Bytes::from(data),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut all = Vec::with_capacity(segment.bytes as usize);
        for (header, data) in parse_parts(&data) {
            if header.rendition == rendition && header.segment.msn == segment.msn {
                all.extend_from_slice(&data);
            }
        }
        Ok((all.len() as u64 == segment.bytes).then(|| all.into()))
    }

    /// Removes a segment's parts once no rendition of it needs them any more.
    pub(crate) fn forget(&mut self, rendition: Rendition, msn: u64) -> io::Result<()> {
        let Some(parts) = self.parts.get_mut(&msn) else { return Ok(()) };
        parts.waiting.remove(&rendition);
        if parts.waiting.is_empty() {
            self.parts.remove(&msn);
            fs::remove_file(parts_path(&self.dir, msn))?;
        }
        Ok(())
    }
}

/// Reads the index of an event that may be being written to.
pub(crate) fn read_index(dir: &Path) -> io::Result<Vec<Entry>> {
    match fs::read(dir.join(INDEX)) {
        Ok(data) => Ok(parse_index(&data).0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The whole lines, and how many bytes they are.
fn parse_index(data: &[u8]) -> (Vec<Entry>, usize) {
    let mut entries = Vec::new();
    let mut whole = 0;
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        if !line.ends_with(b"\n") {
            break;
        }
        let Ok(entry) = serde_json::from_slice(line) else { break };
        entries.push(entry);
        whole += line.len();
    }
    (entries, whole)
}

fn read_unfinished(dir: &Path, entries: &[Entry]) -> io::Result<Vec<Unfinished>> {
    let stored: BTreeSet<(Rendition, u64)> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Segment { rendition, segment } => Some((*rendition, segment.msn)),
            _ => None,
        })
        .collect();
    let mut unfinished = BTreeMap::new();
    for msn in parts_files(dir)? {
        for (header, data) in parse_parts(&Bytes::from(fs::read(parts_path(dir, msn))?)) {
            let key = (header.segment.msn, header.rendition);
            if header.segment.msn != msn || stored.contains(&(header.rendition, msn)) {
                continue;
            }
            let (segment, all) =
                unfinished.entry(key).or_insert_with(|| (header.segment.clone(), Vec::new()));
            let parts = std::mem::take(&mut segment.parts);
            *segment = header.segment;
            segment.parts = parts;
            segment.parts.push(header.part);
            all.extend_from_slice(&data);
        }
    }
    let made = unfinished.into_iter().map(|((_, rendition), (mut segment, data))| {
        segment.bytes = data.len() as u64;
        Unfinished { rendition, segment, data: data.into() }
    });
    Ok(made.collect())
}

fn parse_parts(data: &Bytes) -> Vec<(PartHeader, Bytes)> {
    let mut rest = data.clone();
    let mut parts = Vec::new();
    while rest.len() >= 8 {
        let (header, body) = (rest.get_u32() as usize, rest.get_u32() as usize);
        if header > MAX_HEADER_BYTES || rest.len() < header.saturating_add(body) {
            break;
        }
        let header = rest.split_to(header);
        let Ok(header) = serde_json::from_slice(&header) else { break };
        parts.push((header, rest.split_to(body)));
    }
    parts
}

fn parts_path(dir: &Path, msn: u64) -> PathBuf {
    dir.join(format!("{msn}{PARTS_SUFFIX}"))
}

fn parts_files(dir: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(PARTS_SUFFIX));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(msn: u64, parts: usize) -> Segment {
        let part = PartInfo { duration_us: 500_000, independent: true, start: 0, end: 1 };
        Segment {
            msn,
            duration_us: 500_000 * parts as u64,
            start_unix_ms: 0,
            discontinuity: false,
            discontinuity_sequence: 0,
            independent: true,
            gap: false,
            init: 0,
            bytes: parts as u64,
            key_bytes: None,
            frames: 1,
            end_ns: 1,
            parts: vec![part; parts],
        }
    }

    #[test]
    fn what_was_cut_off_is_left_out_and_the_rest_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let (mut spool, entries, unfinished) = Spool::open(dir.path()).unwrap();
        assert!(entries.is_empty() && unfinished.is_empty());
        spool.append(Rendition::Source, &segment(7, 1), b"a").unwrap();
        spool.append(Rendition::Audio, &segment(7, 1), b"x").unwrap();
        spool.append(Rendition::Source, &segment(7, 2), b"b").unwrap();
        let stored = Entry::Segment { rendition: Rendition::Source, segment: segment(6, 2) };
        spool.record(std::slice::from_ref(&stored)).unwrap();
        drop(spool);
        let append = |name: &str, data: &[u8]| {
            OpenOptions::new().append(true).open(dir.path().join(name)).unwrap().write_all(data).unwrap();
        };
        append("7.parts", &[0, 0, 1, 0, 0, 0, 0, 9, b'{']);
        append(INDEX, b"{\"kind\":\"seg");

        let (mut spool, entries, unfinished) = Spool::open(dir.path()).unwrap();
        let Entry::Segment { segment: read, .. } = &entries[0] else { panic!("{entries:?}") };
        assert_eq!((entries.len(), read.msn), (1, 6));
        let found: Vec<_> = unfinished
            .iter()
            .map(|found| (found.rendition, &found.data[..], found.segment.parts.len()))
            .collect();
        assert_eq!(found, [(Rendition::Source, &b"ab"[..], 2), (Rendition::Audio, &b"x"[..], 1)]);
        let recovered: Vec<_> = unfinished
            .iter()
            .map(|found| Entry::Segment { rendition: found.rendition, segment: found.segment.clone() })
            .collect();
        spool.record(&recovered).unwrap();
        spool.clear_unfinished().unwrap();
        drop(spool);

        let (_, entries, unfinished) = Spool::open(dir.path()).unwrap();
        assert_eq!((entries.len(), unfinished.len()), (3, 0));
        assert_eq!(read_index(dir.path()).unwrap(), entries);
    }

    #[test]
    fn parts_go_when_every_rendition_is_stored() {
        let dir = tempfile::tempdir().unwrap();
        let (mut spool, ..) = Spool::open(dir.path()).unwrap();
        spool.append(Rendition::Source, &segment(0, 1), b"a").unwrap();
        spool.append(Rendition::Audio, &segment(0, 1), b"x").unwrap();
        let entry = |rendition| [Entry::Segment { rendition, segment: segment(0, 1) }];
        spool.record(&entry(Rendition::Source)).unwrap();
        assert_eq!(parts_files(dir.path()).unwrap(), [0]);
        spool.record(&entry(Rendition::Audio)).unwrap();
        assert!(parts_files(dir.path()).unwrap().is_empty());
    }
}
