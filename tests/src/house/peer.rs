//! Foreign programs: nginx with the RTMP module, and those that publish RTMP.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::net::TcpStream;
use tokio::process::Command;

use super::{Process, footage, wait_until};

/// nginx with libnginx-mod-rtmp on a loopback port.
#[derive(Debug)]
pub struct Nginx {
    pub process: Process,
    pub port: u16,
    folder: PathBuf,
}

impl Nginx {
    /// Starts an RTMP server with one application `live`; `record` keeps what comes as FLV files.
    ///
    /// # Errors
    /// When nginx cannot be started or does not listen in 10 s.
    pub async fn rtmp(directory: &Path, name: &str, port: u16, record: bool) -> Result<Self> {
        let folder = directory.join(name);
        fs::create_dir_all(folder.join("flv")).context("creating nginx's folder")?;
        // The worker runs as the user that started it, who may write here.
        let recording = if record {
            format!("record all; record_path {}/flv; record_unique on;", folder.display())
        } else {
            "record off;".into()
        };
        Self::rtmp_with(directory, name, port, &format!("application live {{ live on; {recording} }}")).await
    }

    /// Starts an RTMP server with these applications, in the words of its configuration.
    ///
    /// # Errors
    /// As [`Nginx::rtmp`].
    pub async fn rtmp_with(directory: &Path, name: &str, port: u16, applications: &str) -> Result<Self> {
        let rtmp = format!(
            "rtmp {{ access_log off; server {{ listen 127.0.0.1:{port}; chunk_size 4096; {applications} }} }}"
        );
        Self::start(directory, name, port, 256, &rtmp).await
    }

    /// Starts an HTTP server for the files of `root`.
    ///
    /// # Errors
    /// As [`Nginx::rtmp`].
    pub async fn http(directory: &Path, name: &str, port: u16, root: &Path) -> Result<Self> {
        Self::serving(directory, name, port, &format!("root {};", root.display())).await
    }

    /// Starts an HTTP server that answers everything with one JSON text.
    ///
    /// # Errors
    /// As [`Nginx::rtmp`].
    pub async fn fixed(directory: &Path, name: &str, port: u16, body: &str) -> Result<Self> {
        let quoted = body.replace('\\', "\\\\").replace('\'', "\\'");
        let serve = format!("default_type application/json; location / {{ return 200 '{quoted}'; }}");
        Self::serving(directory, name, port, &serve).await
    }

    async fn serving(directory: &Path, name: &str, port: u16, serve: &str) -> Result<Self> {
        let temporary = directory.join(name).join("tmp");
        let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|kind| format!("{kind}_temp_path {}/{kind}; ", temporary.display()))
            .collect();
        fs::create_dir_all(&temporary).context("creating nginx's folder")?;
        let http = format!(
            "http {{ {paths} access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; \
             keepalive_timeout 300s; server {{ listen 127.0.0.1:{port}; {serve} }} }}"
        );
        Self::start(directory, name, port, 12_000, &http).await
    }

    async fn start(
        directory: &Path,
        name: &str,
        port: u16,
        connections: usize,
        section: &str,
    ) -> Result<Self> {
        let folder = directory.join(name);
        fs::create_dir_all(&folder).context("creating nginx's folder")?;
        let config = format!(
            "load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;\n\
             daemon off; master_process off; user root; pid {folder}/nginx.pid; error_log {folder}/error.log;\n\
             events {{ worker_connections {connections}; }}\n{section}\n",
            folder = folder.display(),
        );
        fs::write(folder.join("nginx.conf"), config).context("writing nginx.conf")?;
        let mut command = Command::new("/usr/sbin/nginx");
        command
            .arg("-p")
            .arg(&folder)
            .arg("-e")
            .arg(folder.join("error.log"))
            .arg("-c")
            .arg(folder.join("nginx.conf"));
        let process = Process::start(name, &directory.join("logs"), command)?;
        let nginx = Self { process, port, folder };
        wait_until("nginx listens", Duration::from_secs(10), || async {
            Ok(TcpStream::connect(("127.0.0.1", port)).await.ok())
        })
        .await?;
        Ok(nginx)
    }

    /// The FLV files kept so far.
    #[must_use]
    pub fn recorded(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.join("flv")).into_iter().flatten().flatten();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        files.sort();
        files
    }
}

/// A foreign program that publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// ffmpeg's own RTMP.
    Ffmpeg,
    /// GStreamer's rtmp2sink.
    Rtmp2Sink,
    /// GStreamer's rtmpsink, which is librtmp.
    Librtmp,
}

/// Starts a client that sends `frames` frames of 640×360 at 15 a second, in real time, and ends.
///
/// # Errors
/// When the program cannot be started.
pub fn publish(client: Client, directory: &Path, url: &str, frames: u32) -> Result<Process> {
    let command = match client {
        Client::Ffmpeg => ffmpeg(url, frames),
        Client::Rtmp2Sink => gstreamer(&format!("rtmp2sink location={url}"), frames),
        Client::Librtmp => gstreamer(&format!("rtmpsink location={url}"), frames),
    };
    Process::start("publisher", &directory.join("logs"), command)
}

/// A picture and a sound that ffmpeg makes up.
#[derive(Debug, Clone, Copy)]
pub struct MadeUp<'a> {
    /// A source of ffmpeg's `lavfi`, of 15 pictures a second.
    pub picture: &'a str,
    /// Another one.
    pub sound: &'a str,
    /// Pictures from one key frame to the next.
    pub key_every: u32,
}

impl Default for MadeUp<'_> {
    fn default() -> Self {
        Self { picture: "testsrc2=size=640x360:rate=15", sound: "sine=frequency=440", key_every: 30 }
    }
}

/// Has ffmpeg publish `frames` made-up pictures in real time, and end.
///
/// # Errors
/// When it cannot be started.
pub fn publish_made_up(directory: &Path, url: &str, frames: u32, what: &MadeUp<'_>) -> Result<Process> {
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-nostdin", "-v", "warning", "-re", "-f", "lavfi", "-i", what.picture]);
    command.args(["-re", "-f", "lavfi", "-i", what.sound, "-frames:v", &frames.to_string(), "-shortest"]);
    encode(&mut command, url, what.key_every);
    Process::start("publisher", &directory.join("logs"), command)
}

fn ffmpeg(url: &str, frames: u32) -> Command {
    let mut command = Command::new("ffmpeg");
    command
        .args(["-hide_banner", "-nostdin", "-v", "warning", "-re", "-stream_loop", "-1", "-i"])
        .arg(footage());
    command.args(["-frames:v", &frames.to_string(), "-vf", "scale=640:360,fps=15", "-shortest"]);
    encode(&mut command, url, 30);
    command
}

fn encode(command: &mut Command, url: &str, key_every: u32) {
    command.args(["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-sc_threshold", "0"]);
    command.args(["-g", &key_every.to_string(), "-b:v", "600k"]);
    command.args(["-c:a", "aac", "-ac", "2", "-ar", "48000", "-b:a", "96k", "-f", "flv", url]);
}

fn gstreamer(sink: &str, frames: u32) -> Command {
    let samples = frames * 48_000 / 15 / 1024;
    let pipeline = format!(
        "videotestsrc is-live=true num-buffers={frames} ! video/x-raw,format=I420,width=640,height=360,framerate=15/1 \
         ! x264enc speed-preset=ultrafast tune=zerolatency key-int-max=30 bitrate=600 ! video/x-h264,profile=baseline ! h264parse ! queue ! mux. \
         audiotestsrc is-live=true num-buffers={samples} samplesperbuffer=1024 ! audio/x-raw,rate=48000,channels=2 \
         ! avenc_aac ! aacparse ! queue ! mux. \
         flvmux name=mux streamable=true ! {sink}"
    );
    let mut command = Command::new("gst-launch-1.0");
    command.arg("-e").args(pipeline.split_whitespace());
    command
}
