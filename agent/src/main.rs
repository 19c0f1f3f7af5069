//! `stagebox-agent --config FILE` runs the box; `stagebox-agent media` is its capturing and encoding child;
//! `stagebox-agent probe` says what the machine has.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use stagebox_agent::anew;
use stagebox_agent::clock::Clock;
use stagebox_agent::daemon::{self, Ending};
use stagebox_agent::encode;
use stagebox_agent::logs::{self, Log};
use stagebox_agent::probe;
use stagebox_hw::VideoMode;
use stagebox_protocol::LogLevel;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

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
    /// Says what this machine has: board, capture devices, and which encoders work how well.
    ///
    /// Ends with 1 if no encoder works.
    Probe {
        /// JSON instead of a table.
        #[arg(long)]
        json: bool,
        /// The picture to try encoders with.
        #[arg(long, value_name = "WIDTHxHEIGHT@FPS", default_value = "1920x1080@30", value_parser = mode)]
        mode: VideoMode,
        /// In kbit/s.
        #[arg(long, value_name = "KBPS", default_value_t = 6000, value_parser = clap::value_parser!(u32).range(50..=100_000))]
        bitrate: u32,
    },
    /// Tries one encoder, as it is told on standard input.
    #[command(hide = true)]
    Trial,
}

/// `1280x720@50`
fn mode(text: &str) -> Result<VideoMode, String> {
    let wrong = || format!("`{text}` is no picture such as 1920x1080@30");
    let (size, fps) = text.split_once('@').ok_or_else(wrong)?;
    let (width, height) = size.split_once('x').ok_or_else(wrong)?;
    let number = |text: &str, most: u32| {
        text.parse().ok().filter(|number| (1..=most).contains(number)).ok_or_else(wrong)
    };
    Ok(VideoMode { width: number(width, 7680)?, height: number(height, 4320)?, fps: number(fps, 240)? })
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let colour = std::io::stderr().is_terminal();
    let log = Log::new(Clock::new());
    // The daemon keeps its lines; its children's come to it by their standard error.
    let kept = arguments.command.is_none().then(|| logs::Layer::new(log.clone()));
    let shown = tracing_subscriber::fmt::layer().with_ansi(colour).with_writer(std::io::stderr);
    tracing_subscriber::registry().with(filter).with(shown).with(kept).init();
    match arguments.command {
        Some(Command::Media) => encode::run_media(),
        Some(Command::Trial) => probe::run_trial(),
        Some(Command::Probe { json, mode, bitrate }) => {
            probe::run(probe::Options { mode, bitrate_kbps: bitrate, json })
        }
        None => {
            let Some(path) = arguments.config else {
                eprintln!("stagebox-agent: no configuration; give one with --config FILE");
                return ExitCode::from(2);
            };
            match daemon::run(&path, &log) {
                Ok(Ending::Told) => ExitCode::SUCCESS,
                Ok(Ending::Anew) => {
                    let error = anew::begin(std::env::args_os());
                    eprintln!("stagebox-agent: cannot start anew: {error}");
                    ExitCode::FAILURE
                }
                Err(error) => {
                    eprintln!("stagebox-agent: {error}");
                    log.take(LogLevel::Error, "stagebox_agent", &format!("ended: {error}"));
                    ExitCode::from(anew::exit_code(error.is_configuration()))
                }
            }
        }
    }
}
