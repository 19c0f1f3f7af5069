//! `stagebox-agent probe`: what this machine has, and how its encoders do at the size and rate that are wanted.
#![allow(clippy::disallowed_methods, reason = "a driver: it waits for trials in processes of their own")]

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use serde::Serialize;
use stagebox_hw::encoder::{Observed, ObservedEncoder, Proof, TrialOutcome, Verdict, assess};
use stagebox_hw::{Encoder, VideoMode, board, rank};
use stagebox_hw_probe::{
    CaptureDevice, InstalledEncoder, Machine, Probe, SystemProbe, Trial, Usability, report,
};

use crate::capture::{HdmiInput, examine};

/// How long a process may take beyond its trial.
const GRACE: Duration = Duration::from_secs(2);
/// A trial encodes a second of pictures, and may take ten.
const TRIAL_LIMIT_MS: u64 = 10_000;
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Looks at this machine, and tries each encoder in a process of its own: a driver that crashes or hangs there costs
/// nothing here.
#[derive(Debug, Clone)]
pub struct ChildProbe {
    system: SystemProbe,
    program: PathBuf,
}

impl ChildProbe {
    /// `program` is this one: `stagebox-agent trial` runs a trial.
    #[must_use]
    pub fn new(program: PathBuf) -> Self {
        Self { system: SystemProbe::default(), program }
    }

    fn run(&self, trial: &Trial) -> Result<TrialOutcome, String> {
        let failed = |error: std::io::Error| format!("start a process for the trial: {error}");
        let mut child = Command::new(&self.program)
            .arg("trial")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        if let Some(mut stdin) = child.stdin.take() {
            let told = serde_json::to_vec(trial).map_err(|error| error.to_string())?;
            // One that has ended already is heard of below.
            let _ = stdin.write_all(&told);
        }
        let until = Instant::now() + Duration::from_millis(trial.limit_ms) + GRACE;
        let status = loop {
            match child.try_wait().map_err(failed)? {
                Some(status) => break status,
                None if Instant::now() >= until => {
                    // Already gone is as good.
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(format!("{} hung for {} ms", trial.encoder, trial.limit_ms));
                }
                None => std::thread::sleep(LOOK_EVERY),
            }
        };
        let mut said = String::new();
        if let Some(mut stdout) = child.stdout.take() {
            stdout.read_to_string(&mut said).map_err(failed)?;
        }
        serde_json::from_str(&said).map_err(|_| format!("{} ended its process: {status}", trial.encoder))
    }
}

impl Probe for ChildProbe {
    fn machine(&self) -> Machine {
        self.system.machine()
    }

    fn capture_devices(&self) -> Vec<CaptureDevice> {
        self.system.capture_devices()
    }

    fn installed_encoders(&self) -> Vec<InstalledEncoder> {
        self.system.installed_encoders()
    }

    fn try_encoder(&self, trial: &Trial) -> TrialOutcome {
        self.run(trial).unwrap_or_else(|reason| TrialOutcome::Failed { reason })
    }
}

/// `stagebox-agent trial`: a trial from standard input, its outcome to standard output.
#[must_use]
pub fn run_trial() -> ExitCode {
    // The device is not held for one who has gone; without that, the trial's own limit ends it.
    let _ = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL);
    let trial = match serde_json::from_reader::<_, Trial>(std::io::stdin().lock()) {
        Ok(trial) => trial,
        Err(error) => {
            eprintln!("stagebox-agent trial: {error}");
            return ExitCode::from(2);
        }
    };
    let outcome = SystemProbe::default().try_encoder(&trial);
    println!("{}", serde_json::to_string(&outcome).unwrap_or_default());
    // A driver that hangs in a thread of its own is left behind.
    std::process::exit(0)
}

/// What is wanted of encoders, and how to say what was found.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    pub mode: VideoMode,
    pub bitrate_kbps: u32,
    pub json: bool,
}

#[derive(Debug, Serialize)]
struct Found {
    machine: Machine,
    /// The board that the machine was recognised as.
    board: Option<String>,
    capture: Vec<Capture>,
    mode: VideoMode,
    bitrate_kbps: u32,
    encoders: Vec<Tried>,
    /// What the box would encode with.
    chosen: Option<Encoder>,
}

#[derive(Debug, Serialize)]
struct Capture {
    #[serde(flatten)]
    device: CaptureDevice,
    /// What its input measures, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    hdmi: Option<HdmiInput>,
}

impl Capture {
    fn look(device: CaptureDevice) -> Self {
        let is_input = matches!(device.usability, Usability::Captures { .. });
        let hdmi = if is_input { examine(&device.path) } else { None };
        Self { device, hdmi }
    }
}

#[derive(Debug, Serialize)]
struct Tried {
    element: Encoder,
    hardware: bool,
    plugin: String,
    plugin_version: String,
    trial: TrialOutcome,
}

/// Looks, tries, and prints.
#[must_use]
pub fn run(options: Options) -> ExitCode {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => {
            eprintln!("stagebox-agent probe: {error}");
            return ExitCode::from(1);
        }
    };
    let found = look(&ChildProbe::new(program), options, |words| eprintln!("{words}"));
    if options.json {
        println!("{}", serde_json::to_string_pretty(&found).unwrap_or_default());
    } else {
        print!("{}", table(&found));
    }
    ExitCode::from(u8::from(found.chosen.is_none()))
}

fn look(probe: &dyn Probe, options: Options, mut progress: impl FnMut(String)) -> Found {
    let Options { mode, bitrate_kbps, .. } = options;
    let seen = report(probe);
    let mut encoders = Vec::new();
    for installed in seen.encoders {
        let InstalledEncoder { encoder, plugin, plugin_version } = installed;
        progress(format!("Trying {encoder} at {mode} …"));
        let frames = mode.fps.clamp(10, 60);
        let trial = Trial { encoder, mode, bitrate_kbps, preset: None, frames, limit_ms: TRIAL_LIMIT_MS };
        let trial = probe.try_encoder(&trial);
        encoders.push(Tried {
            element: encoder,
            hardware: encoder.is_hardware(),
            plugin,
            plugin_version,
            trial,
        });
    }
    let boards = board::shipped();
    let board = board::detect(&boards, &seen.machine.identity());
    let chosen = board.and_then(|board| {
        let installed = encoders
            .iter()
            .map(|tried| ObservedEncoder { encoder: tried.element, trial: Some(tried.trial.clone()) });
        let observed = Observed { mode, installed: installed.collect() };
        for (encoder, verdict) in assess(board, &observed) {
            if let Verdict::Candidate(Proof::LastResort) = verdict {
                progress(format!(
                    "{encoder} is not quick enough for {mode}, and is used only if nothing else works."
                ));
            }
        }
        rank(board, &observed).first().map(|first| first.encoder)
    });
    Found {
        machine: seen.machine,
        board: seen.board,
        capture: seen.capture.into_iter().map(Capture::look).collect(),
        mode,
        bitrate_kbps,
        encoders,
        chosen,
    }
}

/// For people: a line each.
fn table(found: &Found) -> String {
    let mut lines = Vec::new();
    let machine = &found.machine;
    let model = machine.device_tree_model.as_ref().or(machine.product.as_ref());
    let model = model.map_or("unknown machine", String::as_str);
    let kernel = format!("{}, kernel {}", machine.architecture, machine.kernel_release);
    lines.push(format!("machine    {model} ({kernel})"));
    lines.push(format!("board      {}", found.board.as_deref().unwrap_or("none that is known")));
    if let Some(milli_c) = machine.temperature_milli_c {
        lines.push(format!("heat       {:.1} °C", f64::from(milli_c) / 1000.0));
    }
    if found.capture.is_empty() {
        lines.push("capture    no device".to_owned());
    }
    for Capture { device, hdmi } in &found.capture {
        let what = match &device.usability {
            Usability::Captures { driver, formats, .. } => {
                let formats: Vec<String> = formats
                    .iter()
                    .map(|format| {
                        format!("{} up to {}x{}", format.fourcc, format.max_width, format.max_height)
                    })
                    .collect();
                format!("{driver}: {}", formats.join(", "))
            }
            Usability::NoCapture { driver } => format!("{driver}: no pictures come from it"),
            Usability::Unreadable { reason } => reason.clone(),
            Usability::NotAsked => "not asked".to_owned(),
        };
        lines.push(format!("capture    {}  {}  {what}", device.path.display(), device.name));
        if let Some(hdmi) = hdmi {
            lines.push(format!("           {hdmi}"));
        }
    }
    if found.encoders.is_empty() {
        lines.push("encoder    none is installed: install gstreamer1.0-plugins-ugly".to_owned());
    }
    for tried in &found.encoders {
        let how = match &tried.trial {
            TrialOutcome::Works { speed_percent } => format!("works, {} real time", times(*speed_percent)),
            TrialOutcome::TooSlow { speed_percent } => {
                format!("too slow, {} real time", times(*speed_percent))
            }
            TrialOutcome::Failed { reason } => format!("fails: {reason}"),
        };
        let kind = if tried.hardware { "hardware" } else { "software" };
        let plugin = format!("{} {}", tried.plugin, tried.plugin_version);
        lines.push(format!("encoder    {:<14} {kind}  {how}  ({plugin})", tried.element.to_string()));
    }
    let chosen = found.chosen.map_or("nothing works".to_owned(), |encoder| encoder.to_string());
    lines.push(format!("uses       {chosen} at {}, {} kbit/s", found.mode, found.bitrate_kbps));
    lines.join("\n") + "\n"
}

/// 250 % as `2.5 times`.
fn times(percent: u32) -> String {
    format!("{:.1} times", f64::from(percent) / 100.0)
}
