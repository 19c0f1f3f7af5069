//! A folder as it lies on the real disk: read before a run, written after a cut.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

/// A file's bytes, or a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    Folder,
    File(Vec<u8>),
}

/// All below a folder, by relative path with `/` between.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree(pub BTreeMap<String, Entry>);

impl Tree {
    /// Reads a folder; what is neither file nor folder is left out.
    ///
    /// # Errors
    /// When something in it cannot be read, or has a name that is not UTF-8.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let mut tree = Self::default();
        tree.add(folder, "")?;
        Ok(tree)
    }

    fn add(&mut self, folder: &Path, prefix: &str) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name =
                entry.file_name().into_string().map_err(|name| io::Error::other(format!("{name:?}")))?;
            let path = format!("{prefix}{name}");
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.add(&entry.path(), &format!("{path}/"))?;
                self.0.insert(path, Entry::Folder);
            } else if kind.is_file() {
                self.0.insert(path, Entry::File(fs::read(entry.path())?));
            }
        }
        Ok(())
    }

    /// Writes everything into a folder, which is made.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        // A folder's path sorts before the paths below it.
        for (path, entry) in &self.0 {
            match entry {
                Entry::Folder => fs::create_dir(folder.join(path))?,
                Entry::File(bytes) => fs::write(folder.join(path), bytes)?,
            }
        }
        Ok(())
    }

    /// Says where two trees differ, a line each.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let say = |entry: Option<&Entry>| match entry {
            None => "not there".to_owned(),
            Some(Entry::Folder) => "a folder".to_owned(),
            Some(Entry::File(bytes)) => format!("a file of {} bytes", bytes.len()),
        };
        let paths = self.0.keys().chain(other.0.keys().filter(|path| !self.0.contains_key(*path)));
        paths
            .filter(|path| self.0.get(*path) != other.0.get(*path))
            .map(|path| format!("{path}: {}, {}", say(self.0.get(path)), say(other.0.get(path))))
            .collect()
    }
}
