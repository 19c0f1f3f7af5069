//! Box and cloud together in virtual time, over a network that loses, repeats and reorders.
//!
//! The state machines are the product's own; only the broker, the disks and the network between them are played. Each
//! seed is one run: users give commands and change what is wanted, processes are killed between any two steps, and in
//! the end, once the network is whole again, everything must have come true exactly once.

#![allow(clippy::unwrap_used, reason = "a test: what is wrong in it may stop it")]
#![allow(
    clippy::disallowed_methods,
    reason = "a test: one reading of the clock is the base of its virtual time"
)]

mod box_side;
mod broker;
mod checks;
mod cloud_side;
mod network;
mod world;

/// Seeds a test runs through; ten tests make a thousand, side by side.
const SEEDS: u64 = 100;

fn run(part: u64) {
    let (mut effects, mut events) = (0, 0);
    for seed in part * SEEDS..(part + 1) * SEEDS {
        let (more_effects, more_events) = world::World::new(seed).run();
        effects += more_effects;
        events += more_events;
    }
    // A network on which nothing gets through would prove nothing.
    assert!(effects > 500 && events > 1_000, "{effects} commands and {events} events in {SEEDS} runs");
}

macro_rules! parts {
    ($($name:ident = $part:literal;)*) => {$(
        #[test]
        fn $name() {
            run($part);
        }
    )*};
}

parts! {
    seeds_0_to_99 = 0;
    seeds_100_to_199 = 1;
    seeds_200_to_299 = 2;
    seeds_300_to_399 = 3;
    seeds_400_to_499 = 4;
    seeds_500_to_599 = 5;
    seeds_600_to_699 = 6;
    seeds_700_to_799 = 7;
    seeds_800_to_899 = 8;
    seeds_900_to_999 = 9;
}

/// One seed by hand: `STAGEBOX_SEED=17 cargo nextest run -p stagebox-tests --test sim one_seed`.
#[test]
fn one_seed() {
    if let Ok(seed) = std::env::var("STAGEBOX_SEED") {
        world::World::new(seed.parse().unwrap()).run();
    }
}
