//! `stagebox-agent --config FILE` runs the box; `stagebox-agent media` is its capturing and encoding child.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use stagebox_agent::daemon;
use stagebox_agent::encode::{self, EXIT_CONFIGURATION};
use tracing_subscriber::EnvFilter;

/// The daemon of a Stagebox.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The box's configuration, TOML.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Captures and encodes for the daemon that started it.
    #[command(hide = true)]
    Media,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let colour = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colour).with_writer(std::io::stderr).init();
    match arguments.command {
        Some(Command::Media) => encode::run_media(),
        None => {
            let Some(path) = arguments.config else {
                eprintln!("stagebox-agent: no configuration; give one with --config FILE");
                return ExitCode::from(2);
            };
            match daemon::run(&path) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("stagebox-agent: {error}");
                    ExitCode::from(if error.is_configuration() { EXIT_CONFIGURATION } else { 1 })
                }
            }
        }
    }
}
