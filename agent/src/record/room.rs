//! How much room recordings may take, and which of them go first where there is none: pure rules.

use serde::{Deserialize, Serialize};

use super::index::Recording;
use super::jobs::Standing;

/// Kept free on every disk, so that open files can be closed and the box's own state be kept.
const LEAST_RESERVE_BYTES: u64 = 64 * 1024 * 1024;
/// So much of the stream is to fit into what is kept free.
const RESERVE_S: u64 = 120;

/// What is done when there is no room left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenFull {
    /// Nothing is recorded until there is room again.
    #[default]
    Stop,
    /// The oldest recordings make room for the newest.
    DeleteOldest,
}

/// How much room recordings may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes that stay free on the disk.
    reserve_bytes: u64,
    /// Bytes that all recordings may take together; `None` for all that there is.
    quota_bytes: Option<u64>,
    when_full: WhenFull,
    /// Days after which a recording goes; `None` to keep them.
    keep_days: Option<u32>,
}

/// What there is to be done for more of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Go,
    /// These have to go first.
    Delete(Vec<String>),
    /// There is no room, and why.
    Full(String),
}

impl Room {
    /// For a stream of so many kbit/s.
    #[must_use]
    pub fn new(
        bitrate_kbps: u32,
        quota_bytes: Option<u64>,
        when_full: WhenFull,
        keep_days: Option<u32>,
    ) -> Self {
        let reserve_bytes = (u64::from(bitrate_kbps) * 1000 / 8 * RESERVE_S).max(LEAST_RESERVE_BYTES);
        Self { reserve_bytes, quota_bytes, when_full, keep_days }
    }

    /// What recordings may still take, where they take `used_bytes` and the disk has `free_bytes`.
    #[must_use]
    pub fn left_bytes(&self, free_bytes: u64, used_bytes: u64) -> u64 {
        let on_disk = free_bytes.saturating_sub(self.reserve_bytes);
        self.quota_bytes.map_or(on_disk, |quota| on_disk.min(quota.saturating_sub(used_bytes)))
    }

    /// Whether a recording may go on; `free_bytes` is `None` where it cannot be asked: writing will tell.
    ///
    /// `recordings` are the oldest first; those that are written are not closed. One that is being uploaded stays, and
    /// those that are uploaded go before others. `was_full` says that it stopped for want of room.
    pub(super) fn decide(
        &self,
        free_bytes: Option<u64>,
        used_bytes: u64,
        recordings: impl FnOnce() -> Vec<Recording>,
        was_full: bool,
    ) -> Verdict {
        // Whatever stopped goes on only once there is some room to spare, or it would stop again in a moment.
        let spare = self.quota_bytes.map_or(self.reserve_bytes, |quota| self.reserve_bytes.min(quota / 2));
        let wanted = if was_full { spare } else { 1 };
        let Some(left) = free_bytes.map(|free| self.left_bytes(free, used_bytes)) else { return Verdict::Go };
        if left >= wanted {
            return Verdict::Go;
        }
        if self.when_full == WhenFull::DeleteOldest {
            // More than is needed just now, or each fragment would cost a file.
            let mut missing = spare.saturating_sub(left);
            let mut closed = recordings();
            closed.retain(may_go);
            // The oldest that lies elsewhere as well goes first.
            closed.sort_by_key(|recording| recording.upload != Some(Standing::Uploaded));
            let going: Vec<String> = closed
                .into_iter()
                .take_while(|recording| {
                    let goes = missing > 0;
                    missing = missing.saturating_sub(recording.bytes);
                    goes
                })
                .map(|recording| recording.file)
                .collect();
            if !going.is_empty() {
                return Verdict::Delete(going);
            }
        }
        let over_quota = self.quota_bytes.is_some_and(|quota| used_bytes.saturating_add(wanted) > quota);
        Verdict::Full(if over_quota {
            "recordings take all that they may (record.quota_gib)".to_owned()
        } else {
            format!("less than {} MB are free on the disk", (self.reserve_bytes + wanted) / 1_000_000)
        })
    }

    /// The recordings that are older than they are kept; `unix_ms` is `None` while the box does not know the time.
    ///
    /// One of which nobody knows when it began stays.
    pub(super) fn expired(&self, unix_ms: Option<i64>, recordings: &[Recording]) -> Vec<String> {
        let (Some(days), Some(now)) = (self.keep_days, unix_ms) else { return Vec::new() };
        let oldest = now.saturating_sub(i64::from(days) * 86_400_000);
        let is_over = |recording: &&Recording| {
            // How long a recording is kept counts from its end.
            let end =
                recording.started_unix_ms().map(|start| start.saturating_add_unsigned(recording.duration_ms));
            may_go(recording) && recording.clock_synced && end.is_some_and(|end| end < oldest)
        };
        recordings.iter().filter(is_over).map(|recording| recording.file.clone()).collect()
    }
}

/// Neither is it written nor uploaded.
pub(super) fn may_go(recording: &Recording) -> bool {
    recording.closed && recording.upload != Some(Standing::Uploading)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::details::Details;
    use proptest::prelude::*;

    const MB: u64 = 1_000_000;
    /// Of 3 Mbit/s: the least.
    const RESERVE: u64 = LEAST_RESERVE_BYTES;

    fn recording(number: u64, bytes: u64, closed: bool) -> Recording {
        Recording {
            file: format!("2026-11-{:02}T00-00-00Z_boot_{number:05}.mp4", number + 1),
            started_at: format!("2026-11-{:02}T00:00:00Z", number + 1),
            duration_ms: 3_600_000,
            bytes,
            video_frames: 1,
            audio_frames: 1,
            epoch: None,
            closed,
            clock_synced: true,
            details: Details::default(),
            upload: None,
        }
    }

    fn used(recordings: &[Recording]) -> u64 {
        recordings.iter().map(|recording| recording.bytes).sum()
    }

    #[test]
    fn the_reserve_grows_with_the_bitrate() {
        for (kbps, reserve) in [(3_000, RESERVE), (20_000, 300 * MB)] {
            let room = Room::new(kbps, None, WhenFull::Stop, None);
            assert_eq!(room.left_bytes(reserve + 5, 0), 5);
            assert_eq!(room.left_bytes(reserve - 1, 0), 0);
        }
        let room = Room::new(3_000, Some(100), WhenFull::Stop, None);
        assert_eq!([room.left_bytes(1 << 40, 40), room.left_bytes(1 << 40, 400)], [60, 0]);
    }

    #[test]
    fn a_full_disk_stops_and_goes_on_with_some_room_to_spare() {
        let room = Room::new(3_000, None, WhenFull::Stop, None);
        let decide = |free, was_full| room.decide(Some(free), 0, Vec::new, was_full);
        assert_eq!(decide(RESERVE + 1, false), Verdict::Go);
        let Verdict::Full(words) = decide(RESERVE, false) else { panic!("it is full") };
        assert!(words.contains("less than 67 MB"), "{words}");
        assert!(matches!(decide(2 * RESERVE - 1, true), Verdict::Full(_)));
        assert_eq!(decide(2 * RESERVE, true), Verdict::Go);
        assert_eq!(room.decide(None, 0, Vec::new, true), Verdict::Go);
    }

    #[test]
    fn the_oldest_go_first_and_never_one_that_is_written() {
        let all = [recording(0, 50 * MB, true), recording(1, 50 * MB, true), recording(2, 50 * MB, false)];
        let room = Room::new(3_000, None, WhenFull::DeleteOldest, None);
        let names = |count: usize| all[..count].iter().map(|one| one.file.clone()).collect::<Vec<_>>();
        let decide = |free| room.decide(Some(free), used(&all), || all.to_vec(), false);
        assert_eq!(decide(RESERVE + 1), Verdict::Go);
        assert_eq!(decide(RESERVE), Verdict::Delete(names(2)));
        let only = [recording(2, 50 * MB, false)];
        assert!(matches!(room.decide(Some(0), used(&only), || only.to_vec(), false), Verdict::Full(_)));
        let room = Room::new(3_000, Some(150 * MB), WhenFull::Stop, None);
        let Verdict::Full(words) = room.decide(Some(1 << 40), used(&all), || all.to_vec(), false) else {
            panic!("all of the quota is used")
        };
        assert!(words.contains("record.quota_gib"), "{words}");
    }

    #[test]
    fn what_is_uploaded_goes_first_and_what_is_being_uploaded_stays() {
        let mut all: Vec<_> = (0..4).map(|number| recording(number, 50 * MB, true)).collect();
        all[0].upload = Some(Standing::Uploading);
        all[1].upload = Some(Standing::Waiting);
        all[2].upload = Some(Standing::Uploaded);
        let room = Room::new(3_000, None, WhenFull::DeleteOldest, Some(7));
        let decide = |free| room.decide(Some(free), used(&all), || all.clone(), false);
        let names =
            |places: &[usize]| places.iter().map(|place| all[*place].file.clone()).collect::<Vec<_>>();
        assert_eq!(decide(RESERVE), Verdict::Delete(names(&[2, 1])));
        let short: Vec<_> = all.iter().map(|one| Recording { bytes: 30 * MB, ..one.clone() }).collect();
        let verdict = room.decide(Some(RESERVE), used(&short), || short.clone(), false);
        assert_eq!(verdict, Verdict::Delete(names(&[2, 1, 3])));
        assert_eq!(room.expired(Some(1_893_456_000_000), &all), names(&[1, 2, 3]));
        let only = [all[0].clone()];
        assert!(matches!(room.decide(Some(0), used(&only), || only.to_vec(), false), Verdict::Full(_)));
    }

    #[test]
    fn what_is_older_than_it_is_kept_goes_where_the_time_is_known() {
        let all = [recording(0, 1, true), recording(1, 1, true), recording(2, 1, false)];
        let room = Room::new(3_000, None, WhenFull::Stop, Some(7));
        // The first one ended on the first at one.
        let at = |day: i64, hour: i64| Some(1_793_491_200_000 + ((day - 1) * 24 + hour) * 3_600_000);
        assert_eq!(room.expired(at(8, 0), &all), Vec::<String>::new());
        assert_eq!(room.expired(at(8, 2), &all), [all[0].file.clone()]);
        assert_eq!(room.expired(at(28, 0), &all).len(), 2, "one is still written");
        assert_eq!(room.expired(None, &all).len(), 0);
        // A box whose clock was not set has given the file a name of long ago.
        let unsure: Vec<_> = all.iter().map(|one| Recording { clock_synced: false, ..one.clone() }).collect();
        assert_eq!(room.expired(at(28, 0), &unsure).len(), 0);
        assert_eq!(Room::new(3_000, None, WhenFull::Stop, None).expired(at(28, 0), &all).len(), 0);
    }

    proptest! {
        #[test]
        fn deleting_ends_in_room_or_in_words(
            sizes in prop::collection::vec((1u64..200, any::<bool>(), 0_usize..4), 0..20),
            free_mb in 0u64..300,
            quota_mb in prop::option::of(1u64..3_000),
            was_full in any::<bool>(),
        ) {
            let mut all: Vec<Recording> = sizes
                .iter()
                .zip(0..)
                .map(|((mb, closed, upload), number)| {
                    let uploads = [None, Some(Standing::Waiting), Some(Standing::Uploading), Some(Standing::Uploaded)];
                    Recording { upload: uploads[*upload], ..recording(number, mb * MB, *closed) }
                })
                .collect();
            let room = Room::new(3_000, quota_mb.map(|mb| mb * MB), WhenFull::DeleteOldest, None);
            let mut free = free_mb * MB;
            let end = loop {
                let verdict = room.decide(Some(free), used(&all), || all.clone(), was_full);
                let Verdict::Delete(going) = verdict else { break verdict };
                prop_assert!(!going.is_empty(), "it goes on for ever");
                for file in going {
                    let place = all.iter().position(|one| one.file == file).unwrap();
                    let first = |one: &&Recording| may_go(one) && one.upload == Some(Standing::Uploaded);
                    let is_uploaded = first(&&all[place]);
                    let left = &mut all[..place].iter();
                    prop_assert!(!left.any(|older| if is_uploaded { first(&older) } else { may_go(older) }), "an older one is left");
                    prop_assert!(is_uploaded || !all.iter().any(|one| first(&one)), "one that is uploaded is left");
                    let gone = all.remove(place);
                    prop_assert!(gone.closed, "one that is written has gone");
                    prop_assert!(gone.upload != Some(Standing::Uploading), "one that is being uploaded has gone");
                    free += gone.bytes;
                }
            };
            if end != Verdict::Go {
                prop_assert!(!all.iter().any(may_go), "something could still go");
            }
        }
    }
}
