//! `stagebox-agent --config FILE` runs the box; `stagebox-agent media` is its capturing and encoding child.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use stagebox_agent::config::Config;
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
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match arguments.command {
        Some(Command::Media) => stagebox_agent::encode::run_media(),
        None => {
            let Some(path) = arguments.config else {
                eprintln!("stagebox-agent: no configuration; give one with --config FILE");
                return ExitCode::from(2);
            };
            match Config::load(&path) {
                Ok(_) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("stagebox-agent: {error}");
                    ExitCode::from(2)
                }
            }
        }
    }
}
