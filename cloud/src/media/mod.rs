//! Where media lie: an object store.

use crate::config::Config;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use std::sync::Arc;

/// Opens the store of local files below the data directory.
pub fn open(config: &Config) -> Result<Arc<dyn ObjectStore>, object_store::Error> {
    let root = config.data_dir.join("media");
    std::fs::create_dir_all(&root)
        .map_err(|error| object_store::Error::Generic { store: "local", source: Box::new(error) })?;
    Ok(Arc::new(LocalFileSystem::new_with_prefix(root)?.with_fsync(true)))
}
