//! What `./run` calls once everything is built.
#![allow(clippy::disallowed_methods, reason = "a driver: it starts processes and waits for them")]

mod browser;
mod demo;
mod panel;
mod soak;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use stagebox_tests::powercut;

#[derive(Debug, Parser)]
#[command(name = "./run", about = "Stagebox's demo, tests and benches")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A cloud and a simulated box on this machine.
    Demo {
        /// Ends by itself after so many seconds, with 0 only if the playlist advanced and the item plays.
        #[arg(long)]
        seconds: Option<u64>,
        /// Keeps the data here instead of a temporary directory.
        #[arg(long)]
        data: Option<PathBuf>,
        #[arg(long, hide = true)]
        yes: bool,
    },
    /// The front panel in this terminal, against the running demo's box.
    Panel {
        /// The box's panel socket; the running demo's by default.
        #[arg(long)]
        socket: Option<PathBuf>,
        /// Passed on to stagebox-panel.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// The whole job in Chromium.
    Browser {
        /// Only the files of tests whose names have this in them.
        #[arg(long)]
        only: Option<String>,
    },
    /// The whole job for as long as asked, with a part killed every little while.
    Soak {
        #[arg(long, default_value_t = 120)]
        minutes: u64,
        /// The same seed kills the same parts in the same order.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Cuts the power so many times, a box's and a cloud's, instead of killing parts.
        #[arg(long)]
        powercuts: Option<usize>,
        /// Only under this part.
        #[arg(long, requires = "powercuts")]
        part: Option<powercut::Part>,
    },
    /// Writes until it is killed; the power cuts start it under their preload library.
    #[command(hide = true)]
    Write(powercut::Order),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("run: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(async {
        match arguments.command {
            Command::Demo { seconds, data, .. } => demo::run(seconds, data).await,
            Command::Panel { socket, rest } => panel::run(socket, &rest).await,
            Command::Browser { only } => browser::run(only.as_deref()).await,
            Command::Soak { powercuts: Some(cuts), seed, part, .. } => {
                soak::cut_power(cuts, seed, part).await
            }
            Command::Soak { minutes, seed, .. } => soak::run(minutes, seed).await,
            Command::Write(order) => powercut::write(&order).await,
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("run: {error:#}");
            ExitCode::FAILURE
        }
    }
}
