//! One file operation as it stands in the log, and its bytes.
//!
//! A record is its length (u32), the time (u64) and a kind (u8), then the kind's
//! numbers, then each text with its length; bytes that were written come last.

/// What a program did to a file or a folder, or said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// A file was opened, and made if it was not there; `file` names the open file from here on.
    Open { file: u64, path: String, truncate: bool },
    /// Bytes were written.
    Write { file: u64, offset: u64, data: Vec<u8> },
    /// The length was set.
    Resize { file: u64, length: u64 },
    /// The file is as long as this at least.
    Reserve { file: u64, length: u64 },
    /// A folder was made.
    MakeFolder { path: String },
    /// A file's name or an empty folder was removed.
    Remove { path: String },
    /// A name was moved over another, or the two were exchanged.
    Rename { from: String, to: String, exchange: bool },
    /// A file got a second name.
    Link { from: String, to: String },
    /// `fsync` or `fdatasync` was called.
    SyncBegin { sync: u64, file: u64 },
    /// `sync` or `syncfs` was called.
    SyncAllBegin { sync: u64 },
    /// That call returned: what was written before it began is on disk.
    SyncEnd { sync: u64 },
    /// The program wrote to its standard output: what it has told the world.
    Said { text: Vec<u8> },
}

/// An operation and when it was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// CLOCK_MONOTONIC in nanoseconds.
    pub at_ns: u64,
    pub op: Op,
}

/// Puts numbers and texts behind each other.
struct Out(Vec<u8>);

impl Out {
    fn number(mut self, number: u64) -> Self {
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }

    fn text(self, text: &str) -> Self {
        let mut out = self.number(text.len() as u64);
        out.0.extend_from_slice(text.as_bytes());
        out
    }

    fn rest(mut self, data: &[u8]) -> Self {
        self.0.extend_from_slice(data);
        self
    }
}

/// Takes them off again.
struct In<'a>(&'a [u8]);

impl<'a> In<'a> {
    fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*number))
    }

    fn flag(&mut self) -> Option<bool> {
        Some(self.number()? != 0)
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }

    fn rest(self) -> &'a [u8] {
        self.0
    }
}

impl Record {
    /// The record's bytes, its length first.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let out = |kind: u8| {
            let mut start = vec![0; 4];
            start.extend_from_slice(&self.at_ns.to_le_bytes());
            start.push(kind);
            Out(start)
        };
        let mut bytes = match &self.op {
            Op::Open { file, path, truncate } => out(1).number(*file).number((*truncate).into()).text(path),
            Op::Write { file, offset, data } => out(2).number(*file).number(*offset).rest(data),
            Op::Resize { file, length } => out(3).number(*file).number(*length),
            Op::Reserve { file, length } => out(4).number(*file).number(*length),
            Op::MakeFolder { path } => out(5).text(path),
            Op::Remove { path } => out(6).text(path),
            Op::Rename { from, to, exchange } => out(7).number((*exchange).into()).text(from).text(to),
            Op::Link { from, to } => out(8).text(from).text(to),
            Op::SyncBegin { sync, file } => out(9).number(*sync).number(*file),
            Op::SyncAllBegin { sync } => out(10).number(*sync),
            Op::SyncEnd { sync } => out(11).number(*sync),
            Op::Said { text } => out(12).rest(text),
        }
        .0;
        let length = (bytes.len() - 4) as u32;
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut input = In(bytes);
        let at_ns = input.number()?;
        let (kind, rest) = input.0.split_first()?;
        let mut input = In(rest);
        let op = match kind {
            1 => {
                let (file, truncate) = (input.number()?, input.flag()?);
                Op::Open { file, path: input.text()?, truncate }
            }
            2 => Op::Write { file: input.number()?, offset: input.number()?, data: input.rest().to_vec() },
            3 => Op::Resize { file: input.number()?, length: input.number()? },
            4 => Op::Reserve { file: input.number()?, length: input.number()? },
            5 => Op::MakeFolder { path: input.text()? },
            6 => Op::Remove { path: input.text()? },
            7 => {
                let exchange = input.flag()?;
                Op::Rename { from: input.text()?, to: input.text()?, exchange }
            }
            8 => Op::Link { from: input.text()?, to: input.text()? },
            9 => Op::SyncBegin { sync: input.number()?, file: input.number()? },
            10 => Op::SyncAllBegin { sync: input.number()? },
            11 => Op::SyncEnd { sync: input.number()? },
            12 => Op::Said { text: input.rest().to_vec() },
            _ => return None,
        };
        Some(Self { at_ns, op })
    }
}

/// Reads a log; the program may have been killed in the midst of its last record, which is left out then.
///
/// `None` if the log is not one.
#[must_use]
pub fn parse_log(mut bytes: &[u8]) -> Option<Vec<Record>> {
    let mut records = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let Some((record, rest)) = rest.split_at_checked(u32::from_le_bytes(*length) as usize) else { break };
        records.push(Record::decode(record)?);
        bytes = rest;
    }
    Some(records)
}
