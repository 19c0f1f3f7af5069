//! The program itself, at a real socket and in a real terminal.
#![allow(clippy::disallowed_methods, reason = "tests of a process wait for what it does")]
#![allow(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

use std::{
    fs,
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use stagebox_protocol::panel::{
    Broadcast, Decoder, FromAgent, Input, Intent, Outcome, OutputState, Status, ToAgent, VideoMode, encode,
    text,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_stagebox-panel");
const LIMIT: Duration = Duration::from_secs(20);

/// An agent that goes live and stops as it is told.
struct Agent {
    status: Arc<Mutex<Status>>,
    asked: Arc<Mutex<Vec<Intent>>>,
    refusal: Option<&'static str>,
}

fn ready() -> Status {
    let mut status = Status {
        device: text("Stage left"),
        input: Input::Locked(VideoMode { width: 1280, height: 720, rate_milli: 50_000, interlaced: false }),
        ..Status::default()
    };
    status.main.state = OutputState::Idle;
    status
}

impl Agent {
    fn start(socket: &Path, refusal: Option<&'static str>) -> Arc<Self> {
        let agent = Arc::new(Self { status: Arc::new(Mutex::new(ready())), asked: Arc::default(), refusal });
        let listener = UnixListener::bind(socket).unwrap();
        let serving = Arc::clone(&agent);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let serving = Arc::clone(&serving);
                thread::spawn(move || serving.serve(stream));
            }
        });
        agent
    }

    fn serve(&self, mut stream: UnixStream) {
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let mut decoder = Decoder::<ToAgent>::new();
        let mut buffer = [0; 1024];
        loop {
            let status = self.status.lock().unwrap().clone();
            if stream.write_all(&encode(&FromAgent::Status(status))).is_err() {
                return;
            }
            let mut bytes = match stream.read(&mut buffer) {
                Ok(0) => return,
                Ok(length) => &buffer[..length],
                Err(_) => continue,
            };
            while let Some(frame) = decoder.next(&mut bytes) {
                if let Ok(ToAgent::Intent { id, intent }) = frame {
                    let outcome = self.carry_out(intent);
                    let _gone = stream.write_all(&encode(&FromAgent::Outcome { id, outcome }));
                }
            }
        }
    }

    fn carry_out(&self, intent: Intent) -> Outcome {
        self.asked.lock().unwrap().push(intent);
        if let Some(reason) = self.refusal {
            return Outcome::Rejected { reason: text(reason) };
        }
        self.status.lock().unwrap().broadcast = match intent {
            Intent::GoLive => Broadcast::OnAir { elapsed_s: 7 },
            _ => Broadcast::Off,
        };
        Outcome::Done
    }
}

fn panel(socket: &Path, arguments: &[&str]) -> Output {
    Command::new(PROGRAM).arg("--socket").arg(socket).args(arguments).output().unwrap()
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("panel.sock");
    (folder, socket)
}

#[test]
fn a_script_goes_live_looks_and_stops() {
    let (_folder, socket) = folder();
    let agent = Agent::start(&socket, None);
    let facts = panel(&socket, &["--print"]);
    assert!(facts.status.success());
    assert!(said(&facts.stdout).starts_with("tally      ready\nbroadcast  off\ninput      720p50\n"));

    assert!(panel(&socket, &["--press"]).status.success());
    assert!(said(&panel(&socket, &["--print"]).stdout).contains("broadcast  on air 0:07"));
    let picture = said(&panel(&socket, &["--print", "screen"]).stdout);
    assert_eq!((picture.lines().count(), picture.lines().next().unwrap().chars().count()), (32, 128));

    let again = panel(&socket, &["--press"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(said(&again.stderr).contains("Hold the button to stop"));
    assert!(panel(&socket, &["--hold"]).status.success());
    // Off air it tests.
    assert!(panel(&socket, &["--hold"]).status.success());
    assert_eq!(*agent.asked.lock().unwrap(), [Intent::GoLive, Intent::Stop, Intent::Preflight]);
}

#[test]
fn a_refusal_is_told_with_its_reason() {
    let (_folder, socket) = folder();
    let _agent = Agent::start(&socket, Some("No server is set"));
    let refused = panel(&socket, &["--press"]);
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(said(&refused.stderr), "stagebox-panel: refused: No server is set\n");
}

#[test]
fn without_an_agent_the_program_says_so() {
    let (_folder, socket) = folder();
    for deed in ["--print", "--press", "--hold"] {
        let alone = panel(&socket, &[deed, "--timeout-ms", "200"]);
        assert_eq!(alone.status.code(), Some(2), "{deed}");
        let words = said(&alone.stderr);
        assert!(words.contains("panel.sock") && words.contains("does not answer"), "{words}");
    }
    let facts = said(&panel(&socket, &["--print", "--timeout-ms", "200"]).stdout);
    assert!(facts.contains("agent      not answering"), "{facts}");
}

#[test]
fn what_can_never_work_ends_with_its_own_code() {
    let (_folder, socket) = folder();
    for arguments in [
        &["--shell", "linux", "--board", "rpi9"][..],
        &["--shell", "linux", "--board", "x86"],
        &["--shell", "terminal"],
    ] {
        let output = Command::new(PROGRAM)
            .arg("--socket")
            .arg(&socket)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(78), "{arguments:?}: {}", said(&output.stderr));
    }
}

/// The program in a terminal of 80×24, which `script` of util-linux makes.
struct Terminal {
    child: Child,
    shown: Arc<Mutex<Vec<u8>>>,
    ended: Arc<AtomicBool>,
}

impl Terminal {
    fn open(socket: &Path) -> Self {
        let command = format!("stty cols 80 rows 24; exec '{PROGRAM}' --socket '{}'", socket.display());
        let mut child = Command::new("script")
            .args(["--quiet", "--return", "--flush", "--command", &command, "/dev/null"])
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script of util-linux is installed");
        let (shown, ended) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let mut output = child.stdout.take().unwrap();
        let (sink, end) = (Arc::clone(&shown), Arc::clone(&ended));
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut buffer) {
                sink.lock().unwrap().extend_from_slice(&buffer[..length]);
            }
            end.store(true, Ordering::SeqCst);
        });
        Self { child, shown, ended }
    }

    fn key(&mut self, key: &[u8]) {
        self.child.stdin.as_mut().unwrap().write_all(key).unwrap();
    }

    /// Waits until the program has drawn the words since the last call.
    fn until(&self, words: &str) {
        let began = Instant::now();
        loop {
            let mut shown = self.shown.lock().unwrap();
            if let Some(at) = said(&shown).find(words) {
                let seen = said(&shown)[..at + words.len()].len();
                let seen = seen.min(shown.len());
                shown.drain(..seen);
                return;
            }
            assert!(began.elapsed() < LIMIT, "`{words}` is not shown in:\n{}", said(&shown));
            drop(shown);
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if !self.ended.load(Ordering::SeqCst) {
            let _ended = self.child.kill();
        }
        let _ended = self.child.wait();
    }
}

#[test]
fn keys_in_a_terminal_go_live_and_stop() {
    let (_folder, socket) = folder();
    let agent = Agent::start(&socket, None);
    let mut terminal = Terminal::open(&socket);
    terminal.until("READY");
    terminal.key(b" ");
    terminal.until("ON AIR");
    terminal.key(b" ");
    terminal.until("Hold the button to stop");
    terminal.key(b"s");
    terminal.until("KEEP HOLDING TO STOP");
    terminal.until("READY");
    assert_eq!(*agent.asked.lock().unwrap(), [Intent::GoLive, Intent::Stop]);
    terminal.key(b"q");
    let code = terminal.child.wait().unwrap().code();
    assert_eq!(code, Some(0));
    let last = said(&terminal.shown.lock().unwrap());
    assert!(
        last.contains("\x1b[?1049l") && last.contains("\x1b[?25h"),
        "the terminal is given back: {last:?}"
    );
}

#[test]
fn a_terminal_shows_a_dead_agent_and_its_return() {
    let (_folder, socket) = folder();
    let terminal = Terminal::open(&socket);
    terminal.until("AGENT NOT ANSWERING");
    fs::remove_file(&socket).unwrap_err();
    let _agent = Agent::start(&socket, None);
    terminal.until("READY");
}
