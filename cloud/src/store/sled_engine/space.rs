//! Keeps some of the disk free: a full disk would leave sled in a state that only the disk knows.

use crate::store::StoreError;
use nix::sys::statvfs::statvfs;
use std::path::Path;

const MIB: u64 = 1024 * 1024;

/// What is free, and what is to stay so.
///
/// Below the reserve nothing new is taken in; what is there can still be changed, so that an
/// event can be ended. Below half of it nothing is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Space {
    reserve: u64,
    free: u64,
}

impl Space {
    pub(super) fn new(reserve_mib: u64) -> Self {
        Self { reserve: reserve_mib.saturating_mul(MIB), free: u64::MAX }
    }

    /// Looks at the disk; one that does not tell is taken to have room.
    pub(super) fn look(&mut self, path: &Path) {
        if self.reserve > 0 {
            let found = statvfs(path);
            self.free =
                found.map_or(u64::MAX, |disk| disk.blocks_available().saturating_mul(disk.fragment_size()));
        }
    }

    /// Whether a batch may be written.
    pub(super) fn allows(&self, creates: bool) -> Result<(), StoreError> {
        let wanted = if creates { self.reserve } else { self.reserve / 2 };
        if self.free >= wanted {
            return Ok(());
        }
        Err(StoreError::Full { free_mib: self.free / MIB, reserve_mib: self.reserve / MIB })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_can_be_changed_longer_than_new_things_are_taken() {
        let at = |free_mib: u64| Space { reserve: 100 * MIB, free: free_mib * MIB };
        assert!(at(100).allows(true).is_ok());
        assert!(matches!(at(99).allows(true), Err(StoreError::Full { free_mib: 99, reserve_mib: 100 })));
        assert!(at(50).allows(false).is_ok());
        assert!(at(49).allows(false).is_err());
        assert!(Space { reserve: 0, free: 0 }.allows(true).is_ok());
    }

    #[test]
    fn the_disk_is_looked_at() {
        let mut space = Space::new(u64::MAX / MIB);
        assert!(space.allows(true).is_ok(), "nothing is known yet");
        space.look(&std::env::temp_dir());
        assert!(space.allows(true).is_err());
    }
}
