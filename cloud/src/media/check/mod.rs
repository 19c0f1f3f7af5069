//! `media check`: what the media store has that nobody needs, and what is needed and not there.
//!
//! One event after the other, so that a large store needs little memory. An object is
//! needed if a recording lists it, or a running event's index does; it is there if the
//! store or the spool has it. What a removal that is not done yet leaves is neither. What looks wrong while the server goes on is looked at
//! twice before it is told.

mod http;
mod references;
mod report;

pub(super) use http::routes;
pub(crate) use http::{BUSY, Operations, begin};
pub use report::{Counts, Finding, Missing, Report};

use std::collections::{BTreeMap, BTreeSet};

use futures_util::TryStreamExt as _;
use object_store::path::Path;
use tokio_util::sync::CancellationToken;

use super::spool::Order;
use super::{Media, MediaError};
use crate::app::App;
use crate::id::EventId;
use crate::recording::RecordingError;
use crate::store::StoreError;
use references::References;

/// Says why a check could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The documents cannot be read.
    #[error("cannot read what there should be: {0}")]
    Store(#[from] StoreError),
    /// A recording cannot be read.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// The media store cannot be listed.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// An event's files cannot be read.
    #[error("cannot read an event's live spool: {0}")]
    Spool(#[from] std::io::Error),
    /// Whoever asked has given up.
    #[error("stopped before it was done; nothing was changed")]
    Stopped,
}

/// Compares what there is with what there should be; changes nothing.
///
/// `progress` hears how far it has come, a few times a second at most from one event to the next.
///
/// # Errors
/// Something cannot be read, or `stop` was cancelled.
pub async fn check(
    app: &App,
    progress: impl Fn(&Counts) + Send + Sync,
    stop: &CancellationToken,
) -> Result<Report, CheckError> {
    let mut check = Check { app, stop, report: Report::default() };
    let events = check.events().await?;
    check.report.counts.events_in_all = events.len() as u64;
    for event in events {
        check.go_on()?;
        check.event(&event).await?;
        check.report.counts.events += 1;
        progress(&check.report.counts);
    }
    check.manifests().await?;
    check.include_files().await?;
    check.strangers().await?;
    Ok(check.report)
}

struct Check<'a> {
    app: &'a App,
    stop: &'a CancellationToken,
    report: Report,
}

impl Check<'_> {
    fn go_on(&self) -> Result<(), CheckError> {
        if self.stop.is_cancelled() { Err(CheckError::Stopped) } else { Ok(()) }
    }

    fn media(&self) -> &Media {
        &self.app.media
    }

    /// Every event that has objects, recordings or files of its own.
    async fn events(&self) -> Result<BTreeSet<EventId>, CheckError> {
        let mut events = references::recorded(self.app, self.stop).await?;
        events.extend(references::running(&self.app.config.data_dir.join("spool"))?);
        let owners = self.app.cluster.owners().unfinished().await?;
        events.extend(owners.into_iter().map(|owner| owner.event));
        let listed = self.media().store().list_with_delimiter(Some(&Path::from("live"))).await;
        let listed = listed.map_err(|error| self.media().wrong(&error, "list it"))?;
        let names = listed.common_prefixes.iter().filter_map(|path| path.filename()?.parse::<EventId>().ok());
        events.extend(names);
        Ok(events)
    }

    async fn event(&mut self, event: &EventId) -> Result<(), CheckError> {
        // First what there is, then what there should be: what comes in between is no orphan then.
        let there = self.list(&Path::from(format!("live/{event}"))).await?;
        let needed = References::of(self.app, event).await?;
        self.report.counts.recordings += needed.recordings;
        for (path, bytes) in &there {
            let is_known = needed.objects.contains_key(path) || needed.beside.contains(path);
            if !needed.removing && !is_known {
                self.report.orphan(path, *bytes);
            }
        }
        let suspects = needed.objects.iter().filter(|(path, need)| {
            need.required && there.get(*path).is_none_or(|bytes| need.differs(*bytes))
        });
        for (path, need) in suspects {
            self.go_on()?;
            // It may be on its way from here to there, or gone with its event, since it was listed.
            let found = self.media().length(path).await?;
            if found.is_none_or(|bytes| need.differs(bytes)) && references::still(self.app, need).await? {
                self.report.missing(path, need, found);
            }
        }
        Ok(())
    }

    /// The recordings' lists themselves.
    async fn manifests(&mut self) -> Result<(), CheckError> {
        for (path, bytes) in self.list(&Path::from("recordings")).await? {
            self.go_on()?;
            if !references::is_recording(self.app, &path).await? {
                self.report.orphan(&path, bytes);
            }
        }
        for (path, need) in references::manifests(self.app, self.stop).await? {
            if self.media().length(&path).await?.is_none() {
                self.report.missing(&path, &need, None);
            }
        }
        Ok(())
    }

    /// The bytes of include files.
    async fn include_files(&mut self) -> Result<(), CheckError> {
        let there = self.list(&Path::from("include")).await?;
        let needed = references::include_files(self.app).await?;
        for (path, bytes) in &there {
            if !needed.contains_key(path) {
                self.report.orphan(path, *bytes);
            }
        }
        for (path, need) in &needed {
            let found = self.media().length(path).await?;
            if found.is_none_or(|bytes| need.differs(bytes)) {
                self.report.missing(path, need, found);
            }
        }
        Ok(())
    }

    /// What lies outside of the places that media have.
    async fn strangers(&mut self) -> Result<(), CheckError> {
        let listed = self.media().store().list_with_delimiter(None).await;
        let listed = listed.map_err(|error| self.media().wrong(&error, "list it"))?;
        for object in listed.objects {
            self.report.counts.objects += 1;
            self.report.orphan(&object.location, object.size);
        }
        let ours = ["live", "recordings", "include"];
        for prefix in listed.common_prefixes.iter().filter(|path| !ours.contains(&path.as_ref())) {
            for (path, bytes) in self.list(prefix).await? {
                self.report.orphan(&path, bytes);
            }
        }
        // Right below `live/` there are events only.
        let listed = self.media().store().list_with_delimiter(Some(&Path::from("live"))).await;
        let listed = listed.map_err(|error| self.media().wrong(&error, "list it"))?;
        for object in listed.objects {
            self.report.counts.objects += 1;
            self.report.orphan(&object.location, object.size);
        }
        let no_event = |path: &&Path| path.filename().is_none_or(|name| name.parse::<EventId>().is_err());
        for prefix in listed.common_prefixes.iter().filter(no_event) {
            for (path, bytes) in self.list(prefix).await? {
                self.report.orphan(&path, bytes);
            }
        }
        Ok(())
    }

    /// What the store and the spool have below a path, with lengths.
    async fn list(&mut self, prefix: &Path) -> Result<BTreeMap<Path, u64>, CheckError> {
        let mut there = BTreeMap::new();
        let mut listing = self.media().store().list(Some(prefix));
        while let Some(object) =
            listing.try_next().await.map_err(|error| self.media().wrong(&error, "list it"))?
        {
            self.go_on()?;
            there.insert(object.location, object.size);
        }
        let waiting: Vec<_> =
            self.media().spool().ledger().waiting().filter(|job| job.path.prefix_matches(prefix)).collect();
        for job in waiting {
            match job.order {
                Order::Put(_) => there.insert(job.path, job.bytes),
                Order::Delete => there.remove(&job.path),
            };
        }
        self.report.counts.objects += there.len() as u64;
        self.report.counts.bytes += there.values().sum::<u64>();
        Ok(there)
    }
}
