//! All that lies below a place, as a whole: how much it is, and its removal.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::path::Path;
use tokio::task::spawn_blocking;

use super::config::Kind;
use super::spool::Order;
use super::{Media, MediaError};
use crate::config::Config;

/// Objects that are removed at a time.
const AT_ONCE: usize = 8;

/// The directory that media lie in, where they are files.
pub(crate) fn files_root(config: &Config) -> Option<PathBuf> {
    let media = &config.media;
    (media.kind == Kind::Files)
        .then(|| media.directory.clone().unwrap_or_else(|| config.data_dir.join("media")))
}

impl Media {
    /// The objects below a place with their lengths, in the store and on their way to it.
    ///
    /// # Errors
    /// The store cannot be asked, so that nobody knows what is in it.
    pub(crate) async fn listed(&self, below: &Path) -> Result<BTreeMap<Path, u64>, MediaError> {
        let found = self.store().list(Some(below)).map_ok(|object| (object.location, object.size));
        let found = found.try_collect::<BTreeMap<_, _>>().await;
        let mut all = found.map_err(|error| self.wrong(&error, "list it"))?;
        for job in self.spool().ledger().waiting().filter(|job| job.path.prefix_matches(below)) {
            match job.order {
                Order::Put(_) => all.insert(job.path, job.bytes),
                Order::Delete => all.remove(&job.path),
            };
        }
        Ok(all)
    }

    /// Removes all objects below a place, and of a directory also what a write that broke off has left there.
    ///
    /// `tell` hears of each one, and ends it by an error.
    ///
    /// # Errors
    /// The store cannot be listed, the disk of this machine failed, or `tell` wants no more.
    pub(crate) async fn remove_tree<E: From<MediaError>>(
        &self,
        root: Option<PathBuf>,
        below: &Path,
        mut tell: impl FnMut() -> Result<(), E>,
    ) -> Result<u64, E> {
        let paths: Vec<Path> = self.listed(below).await?.into_keys().collect();
        let removed = stream::iter(paths).map(async |path| self.delete(&path).await);
        let mut removed = removed.buffer_unordered(AT_ONCE);
        let mut count = 0;
        while let Some(result) = removed.next().await {
            result?;
            count += 1;
            tell()?;
        }
        if let Some(root) = root {
            let place = root.join(below.as_ref());
            let swept = spawn_blocking(move || sweep(&place)).await.map_err(|_| MediaError::Task)?;
            let path = below.to_string();
            swept.map_err(|source| MediaError::Spool { doing: "remove", path: path.into(), source })?;
        }
        Ok(count)
    }
}

fn sweep(place: &std::path::Path) -> io::Result<()> {
    match std::fs::remove_dir_all(place) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
