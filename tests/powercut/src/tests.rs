//! What a disk promises and what it does not, and the log's own words.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Disk, Entry, Loss, Op, Record, Tree, parse_log};

fn disk(ops: &[Op]) -> Disk {
    let mut disk = Disk::holding(&Tree::default());
    ops.iter().for_each(|op| disk.apply(op).unwrap());
    disk
}

fn open(file: u64, path: &str) -> Op {
    Op::Open { file, path: path.into(), truncate: false }
}

fn write(file: u64, offset: u64, text: &str) -> Op {
    Op::Write { file, offset, data: text.into() }
}

fn sync(file: u64) -> [Op; 2] {
    [Op::SyncBegin { sync: file, file }, Op::SyncEnd { sync: file }]
}

fn rename(from: &str, to: &str) -> Op {
    Op::Rename { from: from.into(), to: to.into(), exchange: false }
}

fn tree(entries: &[(&str, Option<&str>)]) -> Tree {
    let entry = |text: &Option<&str>| text.map_or(Entry::Folder, |text| Entry::File(text.into()));
    Tree(entries.iter().map(|(path, text)| ((*path).to_owned(), entry(text))).collect())
}

#[test]
fn a_name_comes_with_its_folder_and_bytes_come_with_their_file() {
    let mut ops = vec![open(1, "a"), write(1, 0, "bytes")];
    ops.extend(sync(1));
    assert_eq!(disk(&ops).cut(Loss::All), tree(&[]), "a file's sync does not bring its name");
    ops.push(open(2, ""));
    ops.extend(sync(2));
    assert_eq!(disk(&ops).cut(Loss::All), tree(&[("a", Some("bytes"))]));

    let mut ops = vec![open(1, "a"), write(1, 0, "bytes"), open(2, "")];
    ops.extend(sync(2));
    assert_eq!(disk(&ops).cut(Loss::All), tree(&[("a", Some(""))]), "a folder's sync does not bring bytes");
    assert_eq!(disk(&ops).cut(Loss::Nothing), tree(&[("a", Some("bytes"))]));
}

#[test]
fn a_folder_whose_own_name_was_not_synced_is_lost_with_all_in_it() {
    let mut ops = vec![Op::MakeFolder { path: "f".into() }, open(1, "f/a"), write(1, 0, "x"), open(2, "f")];
    ops.extend([sync(1), sync(2)].concat());
    assert_eq!(disk(&ops).cut(Loss::All), tree(&[]));
    ops.push(open(3, ""));
    ops.extend(sync(3));
    assert_eq!(disk(&ops).cut(Loss::All), tree(&[("f", None), ("f/a", Some("x"))]));
}

#[test]
fn a_sync_brings_what_was_written_before_it_began_and_only_if_it_ended() {
    let named = [open(1, "a"), open(2, "")].into_iter().chain(sync(2));
    let mut ops: Vec<_> = named.collect();
    ops.extend([write(1, 0, "1"), Op::SyncBegin { sync: 9, file: 1 }, write(1, 1, "2")]);
    assert_eq!(disk(&ops).cut(Loss::All), tree(&[("a", Some(""))]));
    ops.push(Op::SyncEnd { sync: 9 });
    assert_eq!(disk(&ops).cut(Loss::All), tree(&[("a", Some("1"))]));
}

#[test]
fn a_file_written_beside_and_moved_over_is_the_old_one_or_the_new_one() {
    let before = tree(&[("m", Some("old"))]);
    let mut disk = Disk::holding(&before);
    let ops = [open(1, "m.new"), write(1, 0, "new")].into_iter().chain(sync(1)).chain([rename("m.new", "m")]);
    ops.for_each(|op| disk.apply(&op).unwrap());
    assert_eq!(disk.cut(Loss::All), before);
    let seen: BTreeMap<_, _> = (0..200)
        .map(|seed| (disk.cut(Loss::Some(seed)).0.get("m").cloned().unwrap(), seed))
        .collect::<Vec<_>>()
        .into_iter()
        .map(|(entry, seed)| (format!("{entry:?}"), seed))
        .collect();
    assert_eq!(seen.len(), 2, "{seen:?}");

    let mut disk = Disk::holding(&before);
    let ops = [open(1, "m.new"), write(1, 0, "new"), rename("m.new", "m"), open(2, "")];
    ops.iter().chain(&sync(2)).for_each(|op| disk.apply(op).unwrap());
    let torn = disk.cut(Loss::All);
    assert_eq!(torn, tree(&[("m", Some(""))]), "a name that is synced before its bytes leads to nothing");
}

#[test]
fn a_name_that_was_synced_is_not_undone_by_an_older_change() {
    let mut ops = vec![Op::MakeFolder { path: "f".into() }, open(1, "")];
    ops.extend(sync(1));
    ops.extend([open(2, "f/a"), rename("f/a", "b")]);
    ops.extend(sync(1).map(|op| match op {
        Op::SyncBegin { file, .. } => Op::SyncBegin { sync: 5, file },
        _ => Op::SyncEnd { sync: 5 },
    }));
    for seed in 0..50 {
        assert_eq!(disk(&ops).cut(Loss::Some(seed)), tree(&[("b", Some("")), ("f", None)]));
    }
}

#[test]
fn a_log_that_lacks_an_operation_is_refused() {
    let mut disk = Disk::holding(&Tree::default());
    let error = disk.apply(&rename("a", "b")).unwrap_err().to_string();
    assert!(error.contains("missing"), "{error}");
    assert!(disk.apply(&write(7, 0, "x")).is_err());
}

fn paths() -> impl Strategy<Value = String> {
    prop_oneof![Just("a"), Just("b"), Just("f/a"), Just("f/b")].prop_map(str::to_owned)
}

/// Operations on four files; a file is open under the number of its making.
fn ops() -> impl Strategy<Value = Vec<Op>> {
    let data = prop::collection::vec(any::<u8>(), 1..3000);
    let op = prop_oneof![
        4 => (paths(), any::<bool>()).prop_map(|(path, truncate)| Op::Open { file: 0, path, truncate }),
        6 => (0u64..8, 0u64..5000, data).prop_map(|(file, offset, data)| Op::Write { file, offset, data }),
        1 => (0u64..8, 0u64..6000).prop_map(|(file, length)| Op::Resize { file, length }),
        1 => (0u64..8, 0u64..6000).prop_map(|(file, length)| Op::Reserve { file, length }),
        2 => (paths(), paths()).prop_map(|(from, to)| Op::Rename { from, to, exchange: false }),
        1 => paths().prop_map(|path| Op::Remove { path }),
        2 => (0u64..8).prop_map(|file| Op::SyncBegin { sync: file, file }),
        2 => (0u64..8).prop_map(|sync| Op::SyncEnd { sync }),
    ];
    prop::collection::vec(op, 1..60)
}

/// What a file system without a cache would hold.
#[derive(Default)]
struct Model {
    names: BTreeMap<String, usize>,
    files: Vec<Vec<u8>>,
    open: Vec<usize>,
}

impl Model {
    /// Carries an operation out if it makes sense, and returns it with the number of an open file put in.
    fn apply(&mut self, op: &Op) -> Option<Op> {
        let op = self.numbered(op)?;
        match &op {
            Op::Open { path, truncate, .. } => {
                let id = *self.names.entry(path.clone()).or_insert_with(|| {
                    self.files.push(Vec::new());
                    self.files.len() - 1
                });
                self.open.push(id);
                if *truncate {
                    self.files[id].clear();
                }
            }
            Op::Write { file, offset, data } => {
                let bytes = &mut self.files[self.open[*file as usize]];
                let (start, end) = (*offset as usize, *offset as usize + data.len());
                bytes.resize(bytes.len().max(end), 0);
                bytes[start..end].copy_from_slice(data);
            }
            Op::Resize { file, length } => self.files[self.open[*file as usize]].resize(*length as usize, 0),
            Op::Reserve { file, length } => {
                let bytes = &mut self.files[self.open[*file as usize]];
                bytes.resize(bytes.len().max(*length as usize), 0);
            }
            Op::Rename { from, to, .. } => {
                let id = self.names.remove(from)?;
                self.names.insert(to.clone(), id);
            }
            Op::Remove { path } => {
                self.names.remove(path)?;
            }
            _ => {}
        }
        Some(op)
    }

    fn numbered(&self, op: &Op) -> Option<Op> {
        let opened = |file: u64| (!self.open.is_empty()).then(|| file % self.open.len() as u64);
        Some(match op.clone() {
            Op::Open { path, truncate, .. } => Op::Open { file: self.open.len() as u64, path, truncate },
            Op::Write { file, offset, data } => Op::Write { file: opened(file)?, offset, data },
            Op::Resize { file, length } => Op::Resize { file: opened(file)?, length },
            Op::Reserve { file, length } => Op::Reserve { file: opened(file)?, length },
            Op::SyncBegin { sync, file } => Op::SyncBegin { sync, file: opened(file)? },
            Op::Rename { from, to, .. } if from == to || !self.names.contains_key(&from) => return None,
            Op::Remove { path } if !self.names.contains_key(&path) => return None,
            other => other,
        })
    }

    fn tree(&self) -> Tree {
        let files = self.names.iter().map(|(path, id)| (path.clone(), Entry::File(self.files[*id].clone())));
        Tree(files.chain([("f".to_owned(), Entry::Folder)]).collect())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn without_a_loss_it_is_a_file_system(ops in ops()) {
        let (mut disk, mut model) = (Disk::holding(&tree(&[("f", None)])), Model::default());
        for op in ops.iter().filter_map(|op| model.apply(op)) {
            disk.apply(&op).unwrap();
        }
        prop_assert_eq!(disk.cut(Loss::Nothing).differences(&model.tree()), Vec::<String>::new());
        disk.apply(&Op::SyncAllBegin { sync: 99 }).unwrap();
        disk.apply(&Op::SyncEnd { sync: 99 }).unwrap();
        for loss in [Loss::All, Loss::Some(1), Loss::Some(2)] {
            prop_assert_eq!(disk.cut(loss).differences(&model.tree()), Vec::<String>::new());
        }
    }

    #[test]
    fn what_is_left_was_once_written(ops in ops(), seed: u64) {
        let (mut disk, mut model) = (Disk::holding(&tree(&[("f", None)])), Model::default());
        // Every byte that any file ever had at a place.
        let mut bytes = BTreeMap::<usize, Vec<u8>>::new();
        let mut names = std::collections::BTreeSet::new();
        for op in &ops {
            let Some(op) = model.apply(op) else { continue };
            disk.apply(&op).unwrap();
            if let Op::Write { offset, data, .. } = &op {
                for (at, byte) in (*offset as usize..).zip(data) {
                    bytes.entry(at).or_default().push(*byte);
                }
            }
            names.extend(model.names.keys().cloned());
        }
        let left = disk.cut(Loss::Some(seed));
        prop_assert_eq!(&left, &disk.cut(Loss::Some(seed)), "a seed is a power cut");
        for (path, entry) in &left.0 {
            let Entry::File(data) = entry else { continue };
            prop_assert!(names.contains(path), "{} never was there", path);
            for (at, byte) in data.iter().enumerate().filter(|(_, byte)| **byte != 0) {
                prop_assert!(bytes.get(&at).is_some_and(|known| known.contains(byte)), "{path} at {at}");
            }
        }
    }

    #[test]
    fn a_log_is_read_as_it_was_written(ops in ops(), said: Vec<u8>, torn in 1usize..12) {
        let more = [Op::Said { text: said }, Op::MakeFolder { path: "ü/é".into() }, Op::SyncAllBegin { sync: 3 }];
        let link = Op::Link { from: "a".into(), to: "b".into() };
        let records: Vec<_> = ops.into_iter().chain(more).chain([link]).zip(7..)
            .map(|(op, at_ns)| Record { at_ns, op })
            .collect();
        let mut bytes: Vec<u8> = records.iter().flat_map(Record::encode).collect();
        prop_assert_eq!(&parse_log(&bytes).unwrap(), &records);
        bytes.truncate(bytes.len() - torn);
        prop_assert_eq!(parse_log(&bytes).unwrap(), &records[..records.len() - 1]);
    }
}
