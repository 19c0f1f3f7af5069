//! The machine's own state: room on the disk, temperature, processor, memory, power, network.
#![allow(clippy::disallowed_methods, reason = "a driver: it looks once in a while")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::statvfs::statvfs;
use stagebox_protocol::telemetry::StorageStatus;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::Config;
use crate::control::{Control, Health, Observation};
use crate::encode::MediaStatus;
use crate::machine::warnings::{Seen, Warnings};
use crate::machine::{self, Network, Power, Root};
use crate::record::{RecorderHandle, Room};

const PERIOD: Duration = Duration::from_secs(2);

/// What is looked at.
pub(super) struct Places {
    pub(super) held: watch::Receiver<Arc<Config>>,
    pub(super) recorder: RecorderHandle,
    pub(super) media: watch::Receiver<MediaStatus>,
    pub(super) clock: Clock,
}

/// What the looks before leave behind.
#[derive(Debug)]
struct Looks {
    root: Root,
    cpu: Cpu,
    power: Power,
    network: Network,
    warnings: Warnings,
}

/// Tells the control every two seconds, as long as the daemon lives.
pub(super) fn watch(control: &Control, places: Places) {
    let control = control.clone();
    tokio::spawn(async move {
        let Places { held, recorder, media, clock } = places;
        let mut looks = Looks {
            root: Root::default(),
            cpu: Cpu::default(),
            power: Power::default(),
            network: Network::default(),
            warnings: Warnings::new(clock.now()),
        };
        let mut period = tokio::time::interval(PERIOD);
        loop {
            period.tick().await;
            let (config, recorder, clock) = (held.borrow().clone(), recorder.clone(), clock.clone());
            let pid = media.borrow().pid;
            // A dead disk may hang: nothing else waits for it.
            let looked = tokio::task::spawn_blocking(move || {
                let health = looks.look(&clock, pid, config.record_room(), &recorder);
                (health, looks)
            });
            let Ok((health, after)) = looked.await else { return };
            looks = after;
            control.observe(Observation::Health(Box::new(health))).await;
        }
    });
}

impl Looks {
    fn look(&mut self, clock: &Clock, media: Option<u32>, room: Room, recorder: &RecorderHandle) -> Health {
        let taken = recorder.taken();
        let (now, root) = (clock.now(), &self.root);
        let memory = machine::memory(root, std::process::id(), media);
        let power = self.power.look(root);
        let network = self.network.look(now, root, &machine::addresses());
        let temperature_c = root.temperature_c();
        let seen = Seen {
            memory: memory.as_ref(),
            power: power.as_ref(),
            network: &network,
            temperature_c,
            clock_synced: clock.synced(),
        };
        let warnings = self.warnings.look(now, &seen);
        Health {
            storage: storage(&taken.dir, room, taken.used_bytes),
            temperature_c,
            cpu_percent: self.cpu.percent(Cpu::read()),
            memory,
            power,
            network,
            warnings,
        }
    }
}

fn storage(dir: &Path, room: Room, used_bytes: u64) -> StorageStatus {
    let Ok(stat) = statvfs(dir) else { return StorageStatus::default() };
    StorageStatus {
        free_bytes: room.left_bytes(stat.blocks_available() * stat.fragment_size(), used_bytes),
        total_bytes: stat.blocks() * stat.fragment_size(),
        remaining_s: None,
    }
}

/// Ticks of all cores since boot.
#[derive(Debug, Clone, Copy, Default)]
struct Cpu {
    busy: u64,
    total: u64,
}

impl Cpu {
    fn read() -> Option<Self> {
        Self::parse(&std::fs::read_to_string("/proc/stat").ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let line = text.lines().find(|line| line.starts_with("cpu "))?;
        let ticks: Vec<u64> =
            line.split_whitespace().skip(1).take(8).filter_map(|field| field.parse().ok()).collect();
        let total = ticks.iter().sum();
        // The fourth and fifth are idle, and idle waiting for a disk.
        let idle: u64 = ticks.iter().skip(3).take(2).sum();
        (ticks.len() >= 5).then_some(Self { busy: total - idle, total })
    }

    /// Busy since the last call, 0 to 100.
    fn percent(&mut self, now: Option<Self>) -> Option<f32> {
        let before = std::mem::replace(self, now?);
        let total = self.total.checked_sub(before.total).filter(|total| *total > 0)?;
        let busy = self.busy.saturating_sub(before.busy);
        (before.total > 0).then(|| (busy as f32 * 1000.0 / total as f32).round() / 10.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Cpu, Room};
    use crate::record::WhenFull;

    #[test]
    fn processor_time_is_a_share_of_what_passed() {
        let mut cpu = Cpu::default();
        assert_eq!(cpu.percent(Cpu::parse("cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1 1 1 1\n")), None);
        assert_eq!(cpu.percent(Cpu::parse("cpu  150 0 100 850 0 0 0 0 0 0\n")), Some(50.0));
        assert!(Cpu::parse("intr 1 2 3").is_none());
        let room = Room::new(0, Some(5), WhenFull::Stop, None);
        let storage = super::storage(std::path::Path::new("/"), room, 2);
        assert!(storage.total_bytes > 0 && storage.free_bytes <= 3);
    }
}
