//! Replays a log: what the program sees, what is durable, and what waits.

use std::collections::{BTreeMap, HashMap};

use crate::names::{Effect, Id, NameChange, Names, Namespace, carry_out};
use crate::record::Op;
use crate::tree::{Entry, Tree};

/// Why a log cannot be replayed: it is not complete, or it is not of this folder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    #[error("{path} is not there; an operation is missing in the log")]
    Path { path: String },
    #[error("file {file:x} was never opened")]
    File { file: u64 },
    #[error("{path} is a folder or a file, and the other is needed")]
    Kind { path: String },
}

/// A change of a file's bytes that is not on disk.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Write { offset: u64, data: Vec<u8> },
    Resize { length: u64 },
    Reserve { length: u64 },
}

/// A file's bytes on disk, and what waits.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content {
    pub(crate) durable: Vec<u8>,
    pub(crate) pending: Vec<(u64, Change)>,
}

impl Change {
    pub(crate) fn carry_out(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write { offset, data } => {
                let (start, end) = (*offset as usize, *offset as usize + data.len());
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[start..end].copy_from_slice(data);
            }
            Self::Resize { length } => bytes.resize(*length as usize, 0),
            Self::Reserve { length } => bytes.resize(bytes.len().max(*length as usize), 0),
        }
    }
}

impl Content {
    /// Brings to disk what is older than `seq`.
    fn sync(&mut self, seq: u64) {
        let newer = self.pending.iter().position(|(at, _)| *at >= seq).unwrap_or(self.pending.len());
        for (_, change) in self.pending.drain(..newer) {
            change.carry_out(&mut self.durable);
        }
    }
}

/// What a sync that has begun will bring to disk.
#[derive(Debug, Clone, Copy)]
struct Sync {
    /// All of the disk without one.
    inode: Option<Id>,
    seq: u64,
}

/// A folder with all below it, as the kernel and as the disk has it.
#[derive(Debug, Clone)]
pub struct Disk {
    /// Files by inode; a folder has no content.
    pub(crate) files: BTreeMap<Id, Content>,
    /// Names as the program sees them.
    now: Names,
    pub(crate) names: Namespace,
    open: HashMap<u64, Id>,
    syncs: HashMap<u64, Sync>,
    next: Id,
    seq: u64,
}

/// The folder that everything lies below.
pub(crate) const ROOT: Id = 0;

impl Disk {
    /// A disk on which all of a tree is durable.
    #[must_use]
    pub fn holding(tree: &Tree) -> Self {
        let mut disk = Self {
            files: BTreeMap::new(),
            now: Names::from([(ROOT, BTreeMap::new())]),
            names: Namespace::default(),
            open: HashMap::new(),
            syncs: HashMap::new(),
            next: ROOT + 1,
            seq: 0,
        };
        // A tree's folders come before what they hold.
        let mut folders = HashMap::from([(String::new(), ROOT)]);
        for (path, entry) in &tree.0 {
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            let Some(parent) = folders.get(parent).copied() else { continue };
            let id = disk.fresh();
            match entry {
                Entry::Folder => {
                    folders.insert(path.clone(), id);
                    disk.now.insert(id, BTreeMap::new());
                }
                Entry::File(bytes) => {
                    disk.files.insert(id, Content { durable: bytes.clone(), pending: Vec::new() });
                }
            }
            disk.now.entry(parent).or_default().insert(name.to_owned(), id);
        }
        disk.names.durable = disk.now.clone();
        disk
    }

    fn fresh(&mut self) -> Id {
        self.next += 1;
        self.next - 1
    }

    /// Carries out the next operation of the log.
    ///
    /// # Errors
    /// When it does not fit what came before.
    pub fn apply(&mut self, op: &Op) -> Result<(), ReplayError> {
        self.seq += 1;
        match op {
            Op::Open { file, path, truncate } => self.opened(*file, path, *truncate)?,
            Op::Write { file, offset, data } => {
                self.change(*file, Change::Write { offset: *offset, data: data.clone() })?;
            }
            Op::Resize { file, length } => self.change(*file, Change::Resize { length: *length })?,
            Op::Reserve { file, length } => self.change(*file, Change::Reserve { length: *length })?,
            Op::MakeFolder { path } => {
                let id = self.fresh();
                self.now.insert(id, BTreeMap::new());
                let (folder, name) = self.parent(path)?;
                self.rename(vec![Effect { folder, name, target: Some(id) }]);
            }
            Op::Remove { path } => {
                self.find(path)?;
                let (folder, name) = self.parent(path)?;
                self.rename(vec![Effect { folder, name, target: None }]);
            }
            Op::Rename { from, to, exchange } => {
                let moved = self.find(from)?;
                let other = if *exchange { Some(self.find(to)?) } else { None };
                let ((from, old), (to, new)) = (self.parent(from)?, self.parent(to)?);
                let gone = Effect { folder: from, name: old, target: other };
                self.rename(vec![gone, Effect { folder: to, name: new, target: Some(moved) }]);
            }
            Op::Link { from, to } => {
                let target = Some(self.find(from)?);
                let (folder, name) = self.parent(to)?;
                self.rename(vec![Effect { folder, name, target }]);
            }
            Op::SyncBegin { sync, file } => {
                let inode = Some(self.inode(*file)?);
                self.syncs.insert(*sync, Sync { inode, seq: self.seq });
            }
            Op::SyncAllBegin { sync } => {
                self.syncs.insert(*sync, Sync { inode: None, seq: self.seq });
            }
            Op::SyncEnd { sync } => self.synced(*sync),
            Op::Said { .. } => {}
        }
        Ok(())
    }

    fn opened(&mut self, file: u64, path: &str, truncate: bool) -> Result<(), ReplayError> {
        let id = match self.find(path) {
            Ok(id) => id,
            Err(_) => {
                let id = self.fresh();
                self.files.insert(id, Content::default());
                let (folder, name) = self.parent(path)?;
                self.rename(vec![Effect { folder, name, target: Some(id) }]);
                id
            }
        };
        self.open.insert(file, id);
        if truncate { self.change(file, Change::Resize { length: 0 }) } else { Ok(()) }
    }

    fn change(&mut self, file: u64, change: Change) -> Result<(), ReplayError> {
        let id = self.inode(file)?;
        let content =
            self.files.get_mut(&id).ok_or_else(|| ReplayError::Kind { path: format!("file {file:x}") })?;
        content.pending.push((self.seq, change));
        Ok(())
    }

    fn rename(&mut self, effects: Vec<Effect>) {
        carry_out(&mut self.now, &effects);
        self.names.pending.push(NameChange { seq: self.seq, effects });
    }

    fn synced(&mut self, sync: u64) {
        // A sync of a program that was killed meanwhile has no end; an end without a beginning is one of another folder.
        let Some(Sync { inode, seq }) = self.syncs.remove(&sync) else { return };
        match inode {
            Some(id) => match self.files.get_mut(&id) {
                Some(content) => content.sync(seq),
                None => self.names.sync(Some(id), seq),
            },
            None => {
                self.files.values_mut().for_each(|content| content.sync(seq));
                self.names.sync(None, seq);
            }
        }
    }

    fn inode(&self, file: u64) -> Result<Id, ReplayError> {
        self.open.get(&file).copied().ok_or(ReplayError::File { file })
    }

    /// The inode behind a path, as the program sees it.
    fn find(&self, path: &str) -> Result<Id, ReplayError> {
        path.split('/').filter(|part| !part.is_empty()).try_fold(ROOT, |folder, part| {
            let found = self.now.get(&folder).and_then(|names| names.get(part)).copied();
            found.ok_or_else(|| ReplayError::Path { path: path.to_owned() })
        })
    }

    fn parent(&self, path: &str) -> Result<(Id, String), ReplayError> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let id = self.find(folder)?;
        if !self.now.contains_key(&id) {
            return Err(ReplayError::Kind { path: folder.to_owned() });
        }
        Ok((id, name.to_owned()))
    }
}
