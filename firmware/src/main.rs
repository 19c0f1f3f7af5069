//! The front panel's program: see `stagebox-panel --help`.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, ValueEnum};
use stagebox_panel::{
    Gesture, Panel,
    link::Link,
    shell::{self, Deed, Ending, ShellError},
};

/// The front panel of a Stagebox: one button, a display, a tally light.
///
/// Press the button to go live, hold it for 1.5 s to stop; off air, hold it to
/// test the box, its servers and its line without going live. The panel works with
/// the agent behind its socket, says so when the agent is dead, and goes on by
/// itself when it is back.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = false)]
struct Arguments {
    /// What the panel is made of.
    #[arg(long, value_enum, default_value_t = Shell::Terminal)]
    shell: Shell,
    /// The agent's socket.
    #[arg(
        long,
        env = "STAGEBOX_PANEL__SOCKET",
        default_value = "/run/stagebox/panel.sock",
        value_name = "PATH"
    )]
    socket: PathBuf,
    /// Board by name, or a file that describes one; found out by default.
    #[arg(long, value_name = "NAME|FILE.toml")]
    board: Option<String>,
    /// Print once what the panel shows, as facts or as its picture, and end.
    #[arg(long, value_enum, num_args = 0..=1, default_missing_value = "facts", value_name = "FORM")]
    print: Option<Form>,
    /// Press the button once (go live), wait for what comes of it, and end.
    #[arg(long, conflicts_with_all = ["print", "hold"])]
    press: bool,
    /// Hold the button once (stop; off air begin or end a test), wait for what comes of it, and end.
    #[arg(long, conflicts_with = "print")]
    hold: bool,
    /// How long --print, --press and --hold wait for the agent.
    #[arg(long, default_value_t = 5_000, value_name = "MILLISECONDS")]
    timeout_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shell {
    /// Drawn in this terminal, played with its keys.
    Terminal,
    /// GPIO and I2C of any Linux board.
    Linux,
    /// A Raspberry Pi's registers.
    Rppal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Facts,
    Screen,
}

/// Trying again does not mend it (EX_CONFIG of sysexits.h).
const EXIT_CONFIGURATION: u8 = 78;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let deed = match (arguments.print, arguments.press, arguments.hold) {
        (Some(Form::Facts), ..) => Some(Deed::PrintFacts),
        (Some(Form::Screen), ..) => Some(Deed::PrintScreen),
        (None, true, _) => Some(Deed::Gesture(Gesture::Press)),
        (None, false, true) => Some(Deed::Gesture(Gesture::Hold)),
        (None, false, false) => None,
    };
    if let Some(deed) = deed {
        return end(shell::once(&arguments.socket, deed, arguments.timeout_ms));
    }
    match play(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stagebox-panel: {error}");
            ExitCode::from(if error.is_configuration() { EXIT_CONFIGURATION } else { 1 })
        }
    }
}

fn play(arguments: Arguments) -> Result<(), ShellError> {
    let link = Link::new(arguments.socket, Panel::new(shell::boot_ms()));
    let board = arguments.board.as_deref();
    match arguments.shell {
        Shell::Terminal => shell::terminal::run(link),
        #[cfg(feature = "linux")]
        Shell::Linux => shell::linux::run(link, &shell::wiring(board)?),
        #[cfg(not(feature = "linux"))]
        Shell::Linux => Err(ShellError::NotBuilt { shell: "linux" }),
        #[cfg(feature = "rppal")]
        Shell::Rppal => shell::rppal::run(link, &shell::wiring(board)?),
        #[cfg(not(feature = "rppal"))]
        Shell::Rppal => Err(ShellError::NotBuilt { shell: "rppal" }),
    }
}

/// 0 done, 1 refused by the box, 2 no agent.
fn end(ending: Ending) -> ExitCode {
    match ending {
        Ending::Done(lines) => {
            lines.iter().for_each(|line| println!("{line}"));
            ExitCode::SUCCESS
        }
        Ending::Refused(reason) => {
            eprintln!("stagebox-panel: refused: {reason}");
            ExitCode::from(1)
        }
        Ending::NoAgent { shown, reason } => {
            shown.iter().for_each(|line| println!("{line}"));
            eprintln!("stagebox-panel: the agent does not answer: {reason}");
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_service_starts_the_panel() {
        let unit = include_str!("../../images/systemd/stagebox-panel.service");
        let command = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
        let arguments = Arguments::try_parse_from(command.split_whitespace()).unwrap();
        assert_eq!(arguments.shell, Shell::Linux);
        assert!(unit.contains(&format!("RestartPreventExitStatus={EXIT_CONFIGURATION}")));
    }

    #[test]
    fn one_deed_at_a_time() {
        let parse = |words: &[&str]| {
            Arguments::try_parse_from(["stagebox-panel"].iter().chain(words)).map_err(|error| error.kind())
        };
        assert_eq!(parse(&["--print"]).unwrap().print, Some(Form::Facts));
        assert_eq!(parse(&["--print", "screen"]).unwrap().print, Some(Form::Screen));
        for words in [["--press", "--hold"], ["--press", "--print"], ["--hold", "--print"]] {
            assert!(parse(&words).is_err(), "{words:?}");
        }
    }
}
