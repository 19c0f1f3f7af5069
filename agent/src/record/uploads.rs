//! Which closed recordings are to be uploaded, and how far each came: kept over restarts and power cuts.
//!
//! ```text
//!   add          begin              done
//!    └▶ Waiting ───────▶ Uploading ──────▶ Done
//!          ▲  restart        │
//!          └──────────┐      │ failed
//!             begin   │      ▼
//!     Uploading ◀──── Failed (until its time)
//! ```

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::jobs::{Jobs, Now, Standing, UploadError, UploadJob};
use crate::durable::{Durable, DurableError};

const TREE: &str = "uploads";

/// The list of uploads; clones are the same list.
#[derive(Debug, Clone)]
pub struct Uploads {
    jobs: Arc<Mutex<Jobs>>,
    tree: sled::Tree,
    durable: Durable,
}

impl Uploads {
    /// Takes up what was kept; what was under way waits to be resumed where it was.
    pub(super) fn open(durable: &Durable) -> Result<Self, DurableError> {
        let tree = durable.tree(TREE)?;
        let entries = tree.iter().values().collect::<Result<Vec<_>, _>>()?;
        // One that cannot be read is added anew when its file is found.
        let kept = entries.iter().filter_map(|json| serde_json::from_slice(json).ok());
        let jobs = Arc::new(Mutex::new(Jobs::resume(kept)));
        Ok(Self { jobs, tree, durable: durable.clone() })
    }

    /// The oldest that can be uploaded now, of those whose file `is_there`.
    pub fn next(&self, now: &Now<'_>, is_there: impl Fn(&UploadJob) -> bool) -> Option<UploadJob> {
        self.lock().next(now, is_there).cloned()
    }

    /// Begins or resumes one; its file stays until it is done or has failed.
    ///
    /// # Errors
    /// There is no such job, or it is not its time.
    pub fn begin(&self, file: &str, now: &Now<'_>) -> Result<UploadJob, UploadError> {
        self.change(file, |jobs| jobs.begin(file, now))
    }

    /// Notes how many bytes the other side has.
    ///
    /// # Errors
    /// It is not being uploaded, or the file has less.
    pub fn progress(&self, file: &str, offset: u64) -> Result<UploadJob, UploadError> {
        self.change(file, |jobs| jobs.progress(file, offset))
    }

    /// Notes that the other side has all of it; that is on disk when this returns.
    ///
    /// # Errors
    /// It is not being uploaded, or the store fails.
    pub async fn done(&self, file: &str) -> Result<UploadJob, UploadError> {
        let job = self.change(file, |jobs| jobs.done(file))?;
        self.durable.sync().await?;
        Ok(job)
    }

    /// Notes why it failed; its next time comes later after each failure. `random` is drawn from 0 to 1.
    ///
    /// # Errors
    /// It is not being uploaded.
    pub fn failed(
        &self,
        file: &str,
        error: &str,
        now: &Now<'_>,
        random: f64,
    ) -> Result<UploadJob, UploadError> {
        self.change(file, |jobs| jobs.failed(file, error, now, random))
    }

    /// All of them, the oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<UploadJob> {
        self.lock().iter().cloned().collect()
    }

    /// How many are not done.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.lock().waiting()
    }

    /// How the upload of a file stands, if it is to be uploaded.
    pub(super) fn standing(&self, file: &str) -> Option<Standing> {
        self.lock().get(file).map(UploadJob::standing)
    }

    /// Adds a closed file whose checksum is known, on disk when this returns; one that is there already stays as it is.
    ///
    /// Waits for the disk: not for a task.
    pub(super) fn add(
        &self,
        file: &str,
        bytes: u64,
        sha256: &str,
        disk: Option<&str>,
    ) -> Result<(), UploadError> {
        let mut jobs = self.lock();
        let Some(job) = jobs.add(file, bytes, sha256, disk)?.cloned() else { return Ok(()) };
        self.keep(&job)?;
        drop(jobs);
        Ok(self.durable.blocking_sync()?)
    }

    /// Whether a file may be removed: not while it is uploaded. It cannot be begun any more then.
    pub(super) fn release(&self, file: &str) -> bool {
        self.lock().release(file)
    }

    /// Forgets a file that has gone.
    pub(super) fn forget(&self, file: &str) -> Result<(), DurableError> {
        self.lock().forget(file);
        self.tree.remove(file)?;
        Ok(())
    }

    /// Forgets those of a disk whose files have gone.
    pub(super) fn reconcile(&self, disk: Option<&str>, there: &BTreeSet<String>) -> Result<(), DurableError> {
        let gone: Vec<String> = self
            .lock()
            .iter()
            .filter(|job| job.disk.as_deref() == disk && !there.contains(&job.file))
            .map(|job| job.file.clone())
            .collect();
        gone.iter().try_for_each(|file| self.forget(file))
    }

    fn change(
        &self,
        file: &str,
        change: impl FnOnce(&mut Jobs) -> Result<(), UploadError>,
    ) -> Result<UploadJob, UploadError> {
        let mut jobs = self.lock();
        change(&mut jobs)?;
        let job = jobs.get(file).cloned().ok_or_else(|| UploadError::Unknown(file.to_owned()))?;
        self.keep(&job)?;
        Ok(job)
    }

    fn keep(&self, job: &UploadJob) -> Result<(), DurableError> {
        let json = serde_json::to_vec(job)
            .map_err(|error| DurableError::Sync(format!("a job cannot be written down: {error}")))?;
        self.tree.insert(&job.file, json)?;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Jobs> {
        // No change leaves a job half made.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Now<'_> = Now { mono_ms: 1_000, boot_id: "b" };

    #[tokio::test]
    async fn jobs_outlive_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let durable = Durable::open(folder.path()).unwrap();
        let uploads = Uploads::open(&durable).unwrap();
        let there = |_: &UploadJob| true;
        for file in ["b.mp4", "a.mp4", "c.mp4"] {
            let (uploads, file) = (uploads.clone(), file.to_owned());
            tokio::task::spawn_blocking(move || uploads.add(&file, 100, "00", None)).await.unwrap().unwrap();
        }
        assert_eq!(uploads.next(&NOW, there).unwrap().file, "b.mp4");
        uploads.begin("b.mp4", &NOW).unwrap();
        uploads.done("b.mp4").await.unwrap();
        uploads.begin("a.mp4", &NOW).unwrap();
        uploads.progress("a.mp4", 60).unwrap();
        uploads.begin("c.mp4", &NOW).unwrap();
        uploads.failed("c.mp4", "no line", &NOW, 0.5).unwrap();
        assert!(!uploads.release("a.mp4") && uploads.release("b.mp4"));

        let again = Uploads::open(&durable).unwrap();
        assert_eq!(again.waiting(), 2);
        let next = again.next(&NOW, there).unwrap();
        assert_eq!((&*next.file, next.offset()), ("a.mp4", 60), "it is resumed where it was");
        assert_eq!(again.standing("b.mp4"), Some(Standing::Uploaded));
        assert!(again.begin("c.mp4", &NOW).is_err(), "its time has not come");
        assert!(again.begin("c.mp4", &Now { boot_id: "another", ..NOW }).is_ok());
        again.reconcile(Some("stick"), &BTreeSet::new()).unwrap();
        assert_eq!(again.list().len(), 3, "another disk's");
        again.reconcile(None, &BTreeSet::from(["a.mp4".to_owned()])).unwrap();
        assert_eq!(Uploads::open(&durable).unwrap().list().len(), 1);
    }
}
