//! What a process takes of the machine's memory, and whether that grows.

use std::fs;

/// Quarters of a row of measurements are compared by their medians.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Growth {
    /// After the start, when everything has been asked for once.
    pub second_quarter_mib: f64,
    pub last_quarter_mib: f64,
}

/// What the last quarter may be above the second one for memory to be flat.
pub const FLAT_MIB: f64 = 2.0;

impl Growth {
    /// From measurements in order of time; nothing where there are fewer than four.
    #[must_use]
    pub fn of(samples_mib: &[f64]) -> Option<Self> {
        let quarter = samples_mib.len() / 4;
        let second = samples_mib.get(quarter..2 * quarter)?;
        let last = samples_mib.get(samples_mib.len() - quarter..)?;
        Some(Self { second_quarter_mib: median(second)?, last_quarter_mib: median(last)? })
    }

    /// In MiB, below zero where less is taken at the end.
    #[must_use]
    pub fn mib(&self) -> f64 {
        self.last_quarter_mib - self.second_quarter_mib
    }

    #[must_use]
    pub fn is_flat(&self) -> bool {
        self.mib() <= FLAT_MIB
    }
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

/// Resident memory of one process in MiB, without its children; none if there is no such process.
#[must_use]
pub fn resident_mib(id: u32) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok()? / 1024.0)
}
