//! Folders: which names are on disk, and which changes of names are not yet.

use std::collections::BTreeMap;

/// An inode: a place in the disk's list.
pub(crate) type Id = usize;

/// One name of a folder, before and after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Effect {
    pub(crate) folder: Id,
    pub(crate) name: String,
    /// What the name stands for from now on.
    pub(crate) target: Option<Id>,
}

/// Names that change together or not at all: two for a rename, else one.
#[derive(Debug, Clone)]
pub(crate) struct NameChange {
    pub(crate) seq: u64,
    pub(crate) effects: Vec<Effect>,
}

/// Each folder's names.
pub(crate) type Names = BTreeMap<Id, BTreeMap<String, Id>>;

/// The names on disk, and the changes that are not, in their order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Namespace {
    pub(crate) durable: Names,
    pub(crate) pending: Vec<NameChange>,
}

pub(crate) fn carry_out(names: &mut Names, effects: &[Effect]) {
    for effect in effects {
        let folder = names.entry(effect.folder).or_default();
        match effect.target {
            Some(target) => folder.insert(effect.name.clone(), target),
            None => folder.remove(&effect.name),
        };
    }
}

impl Namespace {
    /// Brings the changes to disk that touch the folder (or any, without one) and are older than `seq`.
    pub(crate) fn sync(&mut self, folder: Option<Id>, seq: u64) {
        let mut waiting: Vec<NameChange> = Vec::new();
        for change in std::mem::take(&mut self.pending) {
            let touches =
                folder.is_none_or(|folder| change.effects.iter().any(|effect| effect.folder == folder));
            if change.seq >= seq || !touches {
                waiting.push(change);
                continue;
            }
            carry_out(&mut self.durable, &change.effects);
            // An older change of the same name in another folder must not come back over this one.
            for older in &mut waiting {
                let same = |a: &Effect, b: &Effect| a.folder == b.folder && a.name == b.name;
                older.effects.retain(|old| !change.effects.iter().any(|new| same(old, new)));
            }
        }
        waiting.retain(|change| !change.effects.is_empty());
        self.pending = waiting;
    }
}
