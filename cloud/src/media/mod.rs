//! Where media lie: an object store, and the names in it.

mod cache;

pub(crate) use cache::MediaCache;

use crate::config::Config;
use crate::id::{EventId, RecordingId};
use crate::live::Rendition;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use stagebox_durable::make_folder;
use std::sync::Arc;

/// Opens the store of local files below the data directory.
pub fn open(config: &Config) -> Result<Arc<dyn ObjectStore>, object_store::Error> {
    let root = config.data_dir.join("media");
    make_folder(&root)
        .map_err(|error| object_store::Error::Generic { store: "local", source: Box::new(error) })?;
    Ok(Arc::new(LocalFileSystem::new_with_prefix(root)?.with_fsync(true)))
}

/// A segment of a live event, and of the recordings made of it.
pub(crate) fn segment_path(event: &EventId, rendition: Rendition, msn: u64) -> Path {
    Path::from(format!("live/{event}/{rendition}/{msn}.m4s"))
}

/// What a decoder needs before an event's segments.
pub(crate) fn init_path(event: &EventId, rendition: Rendition, init: u32) -> Path {
    Path::from(format!("live/{event}/{rendition}/init-{init}.mp4"))
}

/// The list of a recording's segments.
pub(crate) fn recording_path(recording: &RecordingId) -> Path {
    Path::from(format!("recordings/{recording}.json"))
}
