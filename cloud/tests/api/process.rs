//! The program itself: what it prints, how it ends, and what is left after kill -9.

use crate::server::{EMAIL, answer};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

pub(crate) struct Program {
    pub(crate) child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    pub(crate) url: String,
    before_ready: Vec<String>,
}

pub(crate) fn command(directory: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stagebox-cloud"));
    command
        .env("STAGEBOX_HTTP__LISTEN", "127.0.0.1:0")
        .env("STAGEBOX_RTMP__LISTEN", "127.0.0.1:0")
        .env("STAGEBOX_MQTT__ENABLED", "false")
        .env("STAGEBOX_HTTP__TLS_LISTEN", "off")
        .env("STAGEBOX_RTMP__TLS_LISTEN", "off")
        .env("STAGEBOX_DATA_DIR", directory.path().join("data"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

fn ports(directory: &TempDir) -> PathBuf {
    directory.path().join("ports.json")
}

impl Program {
    pub(crate) async fn start(directory: &TempDir, arguments: &[&str]) -> Self {
        let mut command = command(directory);
        command.stderr(Stdio::null());
        Self::run(command, directory, arguments).await
    }

    pub(crate) async fn run(mut command: Command, directory: &TempDir, arguments: &[&str]) -> Self {
        let file = ports(directory);
        let _ = std::fs::remove_file(&file);
        let mut child = command.arg("serve").arg("--ports-file").arg(&file).args(arguments).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut before_ready = Vec::new();
        loop {
            let line = tokio::time::timeout(Duration::from_secs(30), lines.next_line()).await.unwrap();
            match line.unwrap().expect("the program says when it is ready") {
                line if line == "ready" => break,
                line => before_ready.push(line),
            }
        }
        let ports: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let url = format!("http://{}", ports["http"].as_str().unwrap());
        Self { child, lines, url, before_ready }
    }

    /// The first administrator's, which a first start prints.
    pub(crate) fn password(&self) -> String {
        let told = self
            .before_ready
            .first()
            .and_then(|line| line.strip_prefix(&format!("administrator: {EMAIL} password: ")));
        told.unwrap_or_else(|| panic!("{:?}", self.before_ready)).to_owned()
    }

    pub(crate) async fn events(&self, method: Method, password: &str, body: Option<Value>) -> Value {
        let client = Client::builder().no_proxy().build().unwrap();
        let url = format!("{}/api/v1/events", self.url);
        let mut request = client.request(method, url).basic_auth(EMAIL, Some(password));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = answer(request).await;
        assert!(answer.status.is_success(), "{answer:?}");
        answer.body
    }
}

async fn failure(command: &mut Command) -> String {
    let output = tokio::time::timeout(Duration::from_secs(30), command.output()).await.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[tokio::test]
async fn kill_dash_nine_loses_nothing_that_was_acknowledged() {
    provider();
    let directory = tempfile::tempdir().unwrap();
    let mut program = Program::start(&directory, &[]).await;
    let password = program.password();
    let mut made = Vec::new();
    for round in 0..3 {
        for number in 0..5 {
            let body = json!({ "title": format!("{round}/{number}") });
            made.push(program.events(Method::POST, &password, Some(body)).await["id"].clone());
        }
        program.child.kill().await.unwrap();
        program = Program::start(&directory, &[]).await;
        assert_eq!(program.before_ready, Vec::<String>::new(), "the password is told once");
        let list = program.events(Method::GET, &password, None).await;
        let mut found: Vec<Value> =
            list["data"].as_array().unwrap().iter().map(|event| event["id"].clone()).collect();
        found.reverse();
        assert_eq!(found, made);
    }
    let pid = nix::unistd::Pid::from_raw(program.child.id().unwrap() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    let status = tokio::time::timeout(Duration::from_secs(15), program.child.wait()).await.unwrap().unwrap();
    assert!(status.success(), "{status}");
    assert_eq!(program.lines.next_line().await.unwrap(), None);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory.path().join("data")), 0o700);
    assert_eq!(mode(&directory.path().join("data.key")), 0o600);
}

#[tokio::test]
async fn a_password_goes_into_a_file_and_can_be_reset() {
    provider();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("password");
    let in_file = ["--admin-password-file", file.to_str().unwrap()];
    let mut program = Program::start(&directory, &in_file).await;
    assert_eq!(program.before_ready, Vec::<String>::new());
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let first = std::fs::read_to_string(&file).unwrap().trim().to_owned();
    program.events(Method::GET, &first, None).await;
    let running = failure(command(&directory).arg("reset-password")).await;
    assert!(running.contains("another stagebox-cloud"), "{running}");
    program.child.kill().await.unwrap();

    let reset = command(&directory).arg("reset-password").args(in_file).output().await.unwrap();
    assert!(reset.status.success(), "{reset:?}");
    let second = std::fs::read_to_string(&file).unwrap().trim().to_owned();
    assert_ne!(first, second);
    let program = Program::start(&directory, &[]).await;
    program.events(Method::GET, &second, None).await;
}

#[tokio::test]
async fn a_bad_start_says_what_to_change() {
    provider();
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config.toml");
    let text = "[http]\nlisten = \"127.0.0.1:0\"\nlissten = 1\n";
    std::fs::write(&config, text).unwrap();
    let unknown = failure(command(&directory).args(["serve", "--config", config.to_str().unwrap()])).await;
    assert!(unknown.contains("lissten") && unknown.contains("line 3"), "{unknown}");
    let missing = failure(command(&directory).args(["serve", "--config", "/nowhere/x.toml"])).await;
    assert!(missing.contains("/nowhere/x.toml"), "{missing}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let in_use = failure(command(&directory).arg("serve").env("STAGEBOX_HTTP__LISTEN", address)).await;
    assert!(in_use.contains("http.listen") && in_use.contains("another program"), "{in_use}");
    let key = directory.path().join("data/key");
    let inside = failure(command(&directory).arg("serve").env("STAGEBOX_SECRETS_KEY_FILE", &key)).await;
    assert!(inside.contains("outside of `data_dir`"), "{inside}");
}

#[tokio::test]
async fn a_lost_or_foreign_key_file_is_told() {
    provider();
    let directory = tempfile::tempdir().unwrap();
    let mut program = Program::start(&directory, &[]).await;
    program.child.kill().await.unwrap();
    let key = directory.path().join("data.key");
    let right = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let lost = failure(command(&directory).arg("serve")).await;
    assert!(lost.contains("secrets_key_file") && lost.contains("bring it back"), "{lost}");
    std::fs::write(&key, format!("{}\n", "ab".repeat(32))).unwrap();
    let open = failure(command(&directory).arg("serve")).await;
    assert!(open.contains("chmod 600"), "{open}");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let foreign = failure(command(&directory).arg("serve")).await;
    assert!(foreign.contains("not the one that the data was made with"), "{foreign}");
    std::fs::write(&key, right).unwrap();
    Program::start(&directory, &[]).await;
}
