//! Switcher, packager and playlists together in virtual time, in all weathers.
//!
//! Encoders of all kinds send over lines that delay, stall, lose and break; processes are killed, workers die, slates
//! come and go, in the order of a seed. The cores are the product's own, put together as an event's task does it. All
//! along: output time never falls and never jumps, no frame comes twice, none is left out that arrived on either input
//! while it was waited for, and what is served breaks no rule.

#![allow(clippy::disallowed_methods, reason = "an instant can only be had from the clock")]

mod chain;
mod day;
mod encoder;
mod ledger;
mod line;
mod player;
mod product;
mod worker;
mod world;

use ledger::Tally;
use world::World;

/// Frames that arrive in one test; four of them run side by side.
const FRAMES: u64 = 250_000;
/// Seeds that belong to one test.
const SEEDS: u64 = 1_000_000;

/// How much happened.
#[derive(Debug, Default, Clone, Copy)]
struct Weather {
    tally: Tally,
    segments: u64,
    gaps: u64,
    kills: u64,
    looks: u64,
}

/// Tells which seed it was when a test fails.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let again = "cargo nextest run -p stagebox-cloud simulation::one_seed";
            eprintln!("once more: STAGEBOX_SEED={} {again}", self.0);
        }
    }
}

fn one(seed: u64) -> Weather {
    let _told = Seed(seed);
    World::new(seed).run()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

fn run(part: u64) {
    let frames = number("STAGEBOX_FRAMES").map_or(FRAMES, |all| all / 4);
    let mut all = Weather::default();
    let first = number("STAGEBOX_SEED").unwrap_or(0) + part * SEEDS;
    for seed in first.. {
        let more = one(seed);
        all.tally.arrived += more.tally.arrived;
        all.tally.shown += more.tally.shown;
        all.tally.filled += more.tally.filled;
        all.tally.runs += more.tally.runs;
        all.tally.slates += more.tally.slates;
        all.segments += more.segments;
        all.gaps += more.gaps;
        all.kills += more.kills;
        all.looks += more.looks;
        if all.tally.arrived >= frames {
            println!("seeds {first} to {seed}: {all:?}");
            break;
        }
    }
    // Calm weather would prove nothing.
    let Tally { shown, filled, runs, slates, .. } = all.tally;
    let happened =
        [shown / 1_000, filled / 10, runs / 10, slates, all.segments / 100, all.kills, all.looks / 10];
    assert!(happened.iter().all(|count| *count >= 5), "{all:?}");
}

#[test]
fn millions_of_frames_first_quarter() {
    run(0);
}

#[test]
fn millions_of_frames_second_quarter() {
    run(1);
}

#[test]
fn millions_of_frames_third_quarter() {
    run(2);
}

#[test]
fn millions_of_frames_last_quarter() {
    run(3);
}

/// One seed by hand: `STAGEBOX_SEED=17 cargo nextest run -p stagebox-cloud simulation::one_seed`.
#[test]
fn one_seed() {
    if let Some(seed) = number("STAGEBOX_SEED") {
        println!("{:?}", one(seed));
    }
}
