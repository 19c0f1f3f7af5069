//! The power goes: what of the waiting changes has reached the disk all the same.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::disk::{Change, Content, Disk, ROOT};
use crate::names::{Id, Names, carry_out};
use crate::tree::{Entry, Tree};

/// Which of the changes that nobody waited for are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// None: the folder as the program saw it, as after kill -9.
    Nothing,
    /// All of them.
    All,
    /// Any, drawn with this seed: changes of names one by one, bytes by sectors.
    Some(u64),
}

/// How a draw goes.
struct Draw {
    random: StdRng,
    /// Of the sectors and names, this part arrives.
    kept: f64,
    sector: usize,
}

impl Draw {
    fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let sector = if random.random_bool(0.5) { 512 } else { 4096 };
        let kept = random.random_range(0.02..0.98);
        Self { random, kept, sector }
    }

    fn keeps(&mut self) -> bool {
        self.random.random_bool(self.kept)
    }
}

impl Disk {
    /// The folder as it is found after a power cut now.
    #[must_use]
    pub fn cut(&self, loss: Loss) -> Tree {
        let mut names = self.names.durable.clone();
        let mut draw = match loss {
            Loss::Some(seed) => Some(Draw::new(seed)),
            Loss::Nothing | Loss::All => None,
        };
        // Whatever order the disk takes changes of one name in, the name ends as one of them left it
        // or as it was: so does it when a part of them is carried out in order.
        for change in &self.names.pending {
            if draw.as_mut().map_or(loss == Loss::Nothing, Draw::keeps) {
                carry_out(&mut names, &change.effects);
            }
        }
        let mut tree = Tree::default();
        // A file with two names has one content.
        let mut contents = BTreeMap::<Id, Vec<u8>>::new();
        collect(&names, ROOT, "", &mut |id, path| {
            let entry = match self.files.get(&id) {
                Some(content) => {
                    let bytes = contents.entry(id).or_insert_with(|| content.cut(loss, draw.as_mut()));
                    Entry::File(bytes.clone())
                }
                None => Entry::Folder,
            };
            tree.0.insert(path, entry);
        });
        tree
    }
}

/// Calls for each name below a folder; a folder that the names lead round in a circle to is entered once.
fn collect(names: &Names, folder: Id, prefix: &str, found: &mut impl FnMut(Id, String)) {
    let empty = BTreeMap::new();
    let mut stack = vec![(folder, prefix.to_owned())];
    let mut entered = std::collections::BTreeSet::new();
    while let Some((folder, prefix)) = stack.pop() {
        if !entered.insert(folder) {
            continue;
        }
        for (name, id) in names.get(&folder).unwrap_or(&empty) {
            let path = format!("{prefix}{name}");
            found(*id, path.clone());
            stack.push((*id, format!("{path}/")));
        }
    }
}

impl Content {
    fn cut(&self, loss: Loss, draw: Option<&mut Draw>) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        match (loss, draw) {
            (Loss::Some(_), Some(draw)) => {
                self.pending.iter().for_each(|(_, change)| change.tear(&mut bytes, draw));
            }
            (Loss::Nothing, _) => self.pending.iter().for_each(|(_, change)| change.carry_out(&mut bytes)),
            _ => {}
        }
        bytes
    }
}

impl Change {
    /// Carries out what the draw keeps of this change.
    fn tear(&self, bytes: &mut Vec<u8>, draw: &mut Draw) {
        let Self::Write { offset, data } = self else {
            if draw.keeps() {
                self.carry_out(bytes);
            }
            return;
        };
        let mut at = *offset as usize;
        let end = at + data.len();
        // A file's new length may arrive before its bytes, which are zeros then.
        if end > bytes.len() && draw.random.random_bool(0.2) {
            bytes.resize(draw.random.random_range(bytes.len()..=end), 0);
        }
        while at < end {
            let next = ((at / draw.sector + 1) * draw.sector).min(end);
            if draw.keeps() {
                let piece = data[at - *offset as usize..next - *offset as usize].to_vec();
                Self::Write { offset: at as u64, data: piece }.carry_out(bytes);
            }
            at = next;
        }
    }
}
