//! Objects that lie in files of this machine: whoever fetches them has them from the kernel, which keeps in memory what
//! is read often.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::sync::Arc;

use object_store::path::Path;
use tokio::task::spawn_blocking;

use super::{Media, MediaError};
use crate::http::{Content, FileRange};

/// Bytes that are read at a time.
const READ_BYTES: usize = 256 * 1024;

impl Media {
    /// An object to be sent: its file if it lies in one, its bytes if not; `None` if there is none.
    pub(crate) async fn content(&self, path: &Path) -> Result<Option<Content>, MediaError> {
        match self.opened(path).await {
            Some(content) => Ok(Some(content)),
            None => Ok(self.get(path).await?.map(Content::from)),
        }
    }

    /// An object that lies in a file of the media store.
    pub(crate) async fn opened(&self, path: &Path) -> Option<Content> {
        if let Some(open) = self.open_files().get(path) {
            return Some(Content::File(open));
        }
        let place = self.root()?.join(path.as_ref());
        if self.spool().place_of(path).is_some() {
            return None;
        }
        // Of a crowd that asks at once, one opens it.
        let _opens = self.opening(path).lock().await;
        if let Some(open) = self.open_files().get(path) {
            return Some(Content::File(open));
        }
        let range = spawn_blocking(move || read_through(place)).await.ok()?.ok()?;
        self.open_files().insert(path.clone(), range.clone(), 1);
        Some(Content::File(range))
    }

    /// The file of an object that was put a moment ago, whether it waits for the media store or lies in it.
    pub(crate) async fn file(&self, path: &Path) -> Option<File> {
        let waits = self.spool().place_of(path);
        let place = waits.or_else(|| Some(self.root()?.join(path.as_ref())))?;
        spawn_blocking(move || File::open(place)).await.ok()?.ok()
    }
}

/// Opens a file that never changes; the kernel has all of it afterwards, so that nobody waits for the disk who sends it.
fn read_through(place: PathBuf) -> io::Result<FileRange> {
    let mut file = File::open(place)?;
    let mut buffer = vec![0; READ_BYTES];
    let mut len = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(FileRange::new(Arc::new(file), len)),
            read => len += read as u64,
        }
    }
}
