//! The rules of uploading: which recording is next, and what becomes of it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::durable::DurableError;

/// More are not kept.
const MOST: usize = 10_000;
/// The wait after a first failure; it doubles with each.
const FIRST_WAIT_MS: u64 = 10_000;
const LONGEST_WAIT_MS: u64 = 15 * 60 * 1_000;
/// Characters of an error that are kept.
const LONGEST_ERROR: usize = 500;

/// One recording that is to be uploaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadJob {
    /// Name in the folder of recordings.
    pub file: String,
    /// The USB disk it is on; none for the box's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<String>,
    pub bytes: u64,
    pub sha256: String,
    /// Grows with each job: the oldest goes first.
    pub added: u64,
    /// Failures so far.
    #[serde(default)]
    pub attempts: u32,
    pub state: UploadState,
}

/// How far an upload came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum UploadState {
    /// The other side has `offset` bytes of it already.
    Waiting {
        offset: u64,
    },
    Uploading {
        offset: u64,
    },
    /// Tried again after a time of this boot; at once after another boot.
    Failed {
        offset: u64,
        error: String,
        boot_id: String,
        next_mono_ms: u64,
    },
    Done,
}

/// The time: monotonic times compare only within a boot.
#[derive(Debug, Clone, Copy)]
pub struct Now<'a> {
    pub mono_ms: u64,
    pub boot_id: &'a str,
}

/// What removing a recording has to know of its upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Waiting,
    Uploading,
    Uploaded,
}

/// Why a job was not changed.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    #[error("{0} is not to be uploaded")]
    Unknown(String),
    #[error("{0} is not being uploaded")]
    NotUploading(String),
    #[error("{0} cannot be begun: it is being uploaded, done, removed, or not its time")]
    NotDue(String),
    #[error("{file} has {bytes} bytes, and not {offset}")]
    Offset { file: String, bytes: u64, offset: u64 },
    #[error("{MOST} recordings wait already to be uploaded")]
    TooMany,
    #[error(transparent)]
    Store(#[from] DurableError),
}

impl UploadJob {
    /// How many bytes the other side has.
    #[must_use]
    pub fn offset(&self) -> u64 {
        match self.state {
            UploadState::Waiting { offset }
            | UploadState::Uploading { offset }
            | UploadState::Failed { offset, .. } => offset,
            UploadState::Done => self.bytes,
        }
    }

    pub(super) fn standing(&self) -> Standing {
        match self.state {
            UploadState::Waiting { .. } | UploadState::Failed { .. } => Standing::Waiting,
            UploadState::Uploading { .. } => Standing::Uploading,
            UploadState::Done => Standing::Uploaded,
        }
    }

    fn is_due(&self, now: &Now<'_>) -> bool {
        match &self.state {
            UploadState::Waiting { .. } => true,
            UploadState::Failed { boot_id, next_mono_ms, .. } => {
                boot_id != now.boot_id || now.mono_ms >= *next_mono_ms
            }
            UploadState::Uploading { .. } | UploadState::Done => false,
        }
    }
}

/// All jobs, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    jobs: Vec<UploadJob>,
    /// Files that are just being removed.
    going: BTreeSet<String>,
}

impl Jobs {
    /// Takes up what was kept.
    pub(super) fn resume(kept: impl IntoIterator<Item = UploadJob>) -> Self {
        let mut jobs: Vec<UploadJob> = kept.into_iter().collect();
        jobs.sort_by_key(|job| job.added);
        for job in &mut jobs {
            if let UploadState::Uploading { offset } = job.state {
                job.state = UploadState::Waiting { offset };
            }
        }
        Self { jobs, going: BTreeSet::new() }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &UploadJob> {
        self.jobs.iter()
    }

    pub(super) fn get(&self, file: &str) -> Option<&UploadJob> {
        self.jobs.iter().find(|job| job.file == file)
    }

    pub(super) fn waiting(&self) -> u64 {
        self.jobs.iter().filter(|job| job.state != UploadState::Done).count() as u64
    }

    /// Returns the new job, or nothing where there is one already.
    pub(super) fn add(
        &mut self,
        file: &str,
        bytes: u64,
        sha256: &str,
        disk: Option<&str>,
    ) -> Result<Option<&UploadJob>, UploadError> {
        if self.get(file).is_some() {
            return Ok(None);
        }
        if self.jobs.len() >= MOST {
            return Err(UploadError::TooMany);
        }
        let added = self.jobs.last().map_or(0, |last| last.added) + 1;
        self.jobs.push(UploadJob {
            file: file.to_owned(),
            disk: disk.map(str::to_owned),
            bytes,
            sha256: sha256.to_owned(),
            added,
            attempts: 0,
            state: UploadState::Waiting { offset: 0 },
        });
        Ok(self.jobs.last())
    }

    pub(super) fn next(&self, now: &Now<'_>, is_there: impl Fn(&UploadJob) -> bool) -> Option<&UploadJob> {
        self.jobs.iter().find(|job| job.is_due(now) && !self.going.contains(&job.file) && is_there(job))
    }

    pub(super) fn begin(&mut self, file: &str, now: &Now<'_>) -> Result<(), UploadError> {
        let is_going = self.going.contains(file);
        let job = self.job(file)?;
        if is_going || !job.is_due(now) {
            return Err(UploadError::NotDue(file.to_owned()));
        }
        job.state = UploadState::Uploading { offset: job.offset() };
        Ok(())
    }

    pub(super) fn progress(&mut self, file: &str, offset: u64) -> Result<(), UploadError> {
        let job = self.uploading(file)?;
        if offset > job.bytes {
            return Err(UploadError::Offset { file: file.to_owned(), bytes: job.bytes, offset });
        }
        job.state = UploadState::Uploading { offset };
        // It goes on: the next failure is a first one again.
        job.attempts = 0;
        Ok(())
    }

    pub(super) fn done(&mut self, file: &str) -> Result<(), UploadError> {
        self.uploading(file)?.state = UploadState::Done;
        Ok(())
    }

    pub(super) fn failed(
        &mut self,
        file: &str,
        error: &str,
        now: &Now<'_>,
        random: f64,
    ) -> Result<(), UploadError> {
        let job = self.uploading(file)?;
        let longest = FIRST_WAIT_MS.saturating_mul(1 << job.attempts.min(16)).min(LONGEST_WAIT_MS);
        // From half of it to all of it, so that many boxes do not come at once.
        let wait = longest as f64 * (0.5 + random.clamp(0.0, 1.0) / 2.0);
        job.attempts = job.attempts.saturating_add(1);
        job.state = UploadState::Failed {
            offset: job.offset(),
            error: error.chars().take(LONGEST_ERROR).collect(),
            boot_id: now.boot_id.to_owned(),
            next_mono_ms: now.mono_ms.saturating_add(wait as u64),
        };
        Ok(())
    }

    /// Whether a file may be removed; nobody begins with it then.
    pub(super) fn release(&mut self, file: &str) -> bool {
        let free = self.get(file).is_none_or(|job| job.standing() != Standing::Uploading);
        if free {
            self.going.insert(file.to_owned());
        }
        free
    }

    pub(super) fn forget(&mut self, file: &str) {
        self.going.remove(file);
        self.jobs.retain(|job| job.file != file);
    }

    fn job(&mut self, file: &str) -> Result<&mut UploadJob, UploadError> {
        let job = self.jobs.iter_mut().find(|job| job.file == file);
        job.ok_or_else(|| UploadError::Unknown(file.to_owned()))
    }

    fn uploading(&mut self, file: &str) -> Result<&mut UploadJob, UploadError> {
        let job = self.job(file)?;
        match job.state {
            UploadState::Uploading { .. } => Ok(job),
            _ => Err(UploadError::NotUploading(file.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn now(mono_ms: u64) -> Now<'static> {
        Now { mono_ms, boot_id: "boot" }
    }

    fn jobs(files: &[&str]) -> Jobs {
        let mut jobs = Jobs::default();
        for file in files {
            assert!(jobs.add(file, 100, "00", None).unwrap().is_some());
        }
        jobs
    }

    fn next(jobs: &Jobs, at: u64) -> Option<&str> {
        jobs.next(&now(at), |_| true).map(|job| &*job.file)
    }

    #[test]
    fn the_oldest_goes_first_and_one_that_failed_waits_longer_each_time() {
        let mut jobs = jobs(&["b", "a"]);
        assert!(jobs.add("b", 7, "11", None).unwrap().is_none());
        assert_eq!(next(&jobs, 0), Some("b"));
        assert_eq!(jobs.next(&now(0), |job| job.file == "a").unwrap().file, "a", "its disk is away");
        let mut at = 0;
        for wait in [10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 640_000, 900_000, 900_000] {
            jobs.begin("b", &now(at)).unwrap();
            assert_eq!(next(&jobs, at), Some("a"));
            jobs.failed("b", "no line", &now(at), 1.0).unwrap();
            assert_eq!(next(&jobs, at + wait - 1), Some("a"));
            at += wait;
            assert_eq!(next(&jobs, at), Some("b"));
        }
        jobs.begin("b", &now(at)).unwrap();
        jobs.progress("b", 40).unwrap();
        assert!(matches!(jobs.progress("b", 101), Err(UploadError::Offset { bytes: 100, .. })));
        jobs.failed("b", &"x".repeat(9_000), &now(at), 0.0).unwrap();
        assert_eq!(next(&jobs, at + 5_000), Some("b"), "progress makes the next failure a first one");
        assert_eq!(jobs.get("b").unwrap().offset(), 40);
        jobs.begin("b", &now(at + 5_000)).unwrap();
        jobs.done("b").unwrap();
        assert_eq!((next(&jobs, at), jobs.waiting()), (Some("a"), 1));
        assert!(jobs.progress("a", 1).is_err() && jobs.done("c").is_err());
    }

    #[test]
    fn what_is_uploaded_is_not_removed_and_what_is_removed_is_not_begun() {
        let mut jobs = jobs(&["a", "b"]);
        jobs.begin("a", &now(0)).unwrap();
        assert!(!jobs.release("a") && jobs.release("b") && jobs.release("never to be uploaded"));
        assert!(jobs.begin("b", &now(0)).is_err());
        assert_eq!(next(&jobs, 0), None);
        jobs.forget("b");
        jobs.done("a").unwrap();
        assert!(jobs.release("a"));
        assert_eq!(jobs.waiting(), 0);
    }

    #[test]
    fn there_are_so_many_and_no_more() {
        let mut jobs = Jobs::default();
        for number in 0..MOST {
            jobs.add(&number.to_string(), 1, "00", None).unwrap();
        }
        assert!(matches!(jobs.add("one more", 1, "00", None), Err(UploadError::TooMany)));
    }

    proptest! {
        #[test]
        fn a_job_is_in_one_state_and_none_is_lost(
            steps in prop::collection::vec((0_u8..8, 0_usize..5, 0_u64..150, 0_u64..2_000_000), 0..80),
        ) {
            let files = ["a", "b", "c", "d", "e"];
            let (mut jobs, mut added, mut at) = (Jobs::default(), BTreeSet::new(), 0);
            for (step, which, offset, later) in steps {
                let file = files[which];
                at += later;
                let before = jobs.get(file).map(UploadJob::standing);
                match step {
                    0 => {
                        jobs.add(file, 100, "00", None).unwrap();
                        added.insert(file);
                    }
                    1 => drop(jobs.begin(file, &now(at))),
                    2 => drop(jobs.progress(file, offset)),
                    3 => drop(jobs.done(file)),
                    4 => drop(jobs.failed(file, "x", &now(at), 0.3)),
                    5 => if jobs.release(file) {
                        prop_assert_ne!(before, Some(Standing::Uploading));
                        prop_assert!(jobs.begin(file, &now(at)).is_err());
                        jobs.forget(file);
                        added.remove(file);
                    },
                    6 => jobs = Jobs::resume(jobs.jobs.iter().rev().cloned()),
                    _ => if let Some(next) = jobs.next(&now(at), |_| true).cloned() {
                        let older = jobs.iter().take_while(|job| job.added < next.added);
                        prop_assert!(older.into_iter().all(|job| !job.is_due(&now(at))), "an older one could go");
                    },
                }
                let there: BTreeSet<&str> = jobs.iter().map(|job| &*job.file).collect();
                prop_assert_eq!(&there, &added);
                prop_assert!(jobs.iter().all(|job| job.offset() <= 100));
                if before == Some(Standing::Uploaded) && step != 5 {
                    prop_assert_eq!(jobs.get(file).map(UploadJob::standing), Some(Standing::Uploaded));
                }
            }
        }
    }
}
