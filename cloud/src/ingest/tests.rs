//! Real clients against the listener, on loopback.
#![allow(clippy::disallowed_methods, reason = "tests wait for real clients")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::BytesMut;
use stagebox_media::rtmp::{ClientConfig, ClientEvent, ClientSession, LeftOut, RtmpError};
use stagebox_media::{Codec, Epoch, Frame, Packet, Track, TrackConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Broadcast, Gone, Ingest, IngestLimits, Publisher, Publishing, Refused, serve};

/// Keeps what is published under the key `good`.
#[derive(Clone, Default)]
struct Stage {
    packets: Arc<Mutex<Vec<Packet>>>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    live: u32,
    seen: Vec<Broadcast>,
    end: bool,
}

struct Player(Stage);

impl Publishing for Stage {
    type Publisher = Player;

    async fn publish(&self, broadcast: &Broadcast) -> Result<Player, Refused> {
        if broadcast.key != "good" {
            return Err(Refused::UnknownKey);
        }
        let mut state = self.state.lock().unwrap();
        assert_eq!(state.live, 0, "two publishers with one key");
        state.live += 1;
        state.seen.push(broadcast.clone());
        Ok(Player(self.clone()))
    }
}

impl Publisher for Player {
    async fn send(&mut self, packet: Packet) -> Result<(), Gone> {
        if self.0.state.lock().unwrap().end {
            return Err(Gone("the event has ended".to_owned()));
        }
        self.0.packets.lock().unwrap().push(packet);
        Ok(())
    }

    async fn left_out(&mut self, left_out: LeftOut) -> Result<(), Gone> {
        panic!("{left_out:?} of a good stream")
    }

    async fn leave(self) {
        self.0.state.lock().unwrap().live -= 1;
    }
}

struct Server {
    address: SocketAddr,
    stage: Stage,
    shutdown: CancellationToken,
    _guard: DropGuard,
}

impl Server {
    async fn start(limits: IngestLimits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stage, shutdown) = (Stage::default(), CancellationToken::new());
        tokio::spawn(serve(listener, None, Ingest::new(stage.clone(), limits, shutdown.clone())));
        Self { address, stage, _guard: shutdown.clone().drop_guard(), shutdown }
    }

    /// Waits until nobody publishes.
    async fn is_empty(&self) {
        for _ in 0..500 {
            if self.stage.state.lock().unwrap().live == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("a publisher stays");
    }

    fn url(&self, key: &str) -> String {
        format!("rtmp://{}/live/{key}", self.address)
    }
}

/// Our own client on a socket.
struct Client {
    stream: TcpStream,
    session: ClientSession,
    input: BytesMut,
}

impl Client {
    async fn connect(server: &Server, key: &str) -> Result<Self, RtmpError> {
        let config = ClientConfig { key: key.to_owned(), ..ClientConfig::default() };
        let stream = TcpStream::connect(server.address).await.unwrap();
        let mut client = Self { stream, session: ClientSession::new(config), input: BytesMut::new() };
        while client.turn().await? != Some(ClientEvent::Publishing) {}
        Ok(client)
    }

    async fn turn(&mut self) -> Result<Option<ClientEvent>, RtmpError> {
        self.flush().await;
        if let Some(event) = self.session.next(&mut self.input)? {
            return Ok(Some(event));
        }
        self.flush().await;
        let read = self.stream.read_buf(&mut self.input).await.unwrap();
        assert!(read > 0, "the server closed without a word");
        self.session.next(&mut self.input)
    }

    async fn flush(&mut self) {
        self.stream.write_all_buf(self.session.output()).await.unwrap();
    }

    async fn send(&mut self, packet: &Packet) {
        self.session.send(packet).unwrap();
        self.flush().await;
    }

    /// Waits for the server's last words.
    async fn end(&mut self) -> RtmpError {
        loop {
            if let Err(error) = self.turn().await {
                return error;
            }
        }
    }
}

fn audio(count: i64) -> Vec<Packet> {
    let (track, codec, epoch) = (Track::Audio, Codec::Aac, Epoch(7));
    let data = vec![0x11, 0x90].into();
    let mut packets = vec![Packet::Config(TrackConfig { track, codec, epoch, data })];
    packets.extend((0..count).map(|number| {
        let (pts_ns, data) = (number * 21_000_000, vec![number as u8; 200].into());
        Packet::Frame(Frame { track, codec, epoch, pts_ns, dts_ns: pts_ns, key: true, data })
    }));
    packets
}

#[tokio::test]
async fn our_own_client_is_heard_packet_by_packet() {
    let server = Server::start(IngestLimits::default()).await;
    let mut client = Client::connect(&server, "good").await.unwrap();
    let sent = audio(50);
    for packet in &sent {
        client.send(packet).await;
    }
    client.session.finish();
    client.flush().await;
    server.is_empty().await;
    assert_eq!(*server.stage.packets.lock().unwrap(), sent);
    assert_eq!(server.stage.state.lock().unwrap().seen[0].encoder, "FMLE/3.0 (compatible; Stagebox)");
}

#[tokio::test]
async fn keys_are_checked_and_have_one_publisher() {
    let server = Server::start(IngestLimits::default()).await;
    let reason = |result: Result<Client, RtmpError>| result.err().map(|error| error.to_string()).unwrap();
    let wrong = reason(Client::connect(&server, "bad").await);
    assert!(wrong.contains("unknown stream key") && wrong.contains("NetStream.Publish.BadName"), "{wrong}");
    let mut first = Client::connect(&server, "good").await.unwrap();
    first.send(&audio(0)[0]).await;
    let second = reason(Client::connect(&server, "good").await);
    assert!(second.contains("already publishing"), "{second}");
    drop(first);
    server.is_empty().await;
    Client::connect(&server, "good").await.unwrap();
}

#[tokio::test]
async fn a_silent_publisher_makes_way() {
    let limits = IngestLimits { give_way: Duration::from_millis(50), ..IngestLimits::default() };
    let server = Server::start(limits).await;
    let mut silent = Client::connect(&server, "good").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let _next = Client::connect(&server, "good").await.unwrap();
    assert!(silent.end().await.to_string().contains("took this stream key over"));
}

#[tokio::test]
async fn those_who_keep_silent_or_are_too_many_are_dropped() {
    let short = Duration::from_millis(80);
    let limits = IngestLimits {
        handshake: short,
        request: short,
        idle: short,
        max_connections: 1,
        ..IngestLimits::default()
    };
    let server = Server::start(limits).await;
    let mut byte = [0; 1];
    let mut mute = TcpStream::connect(server.address).await.unwrap();
    let mut one_too_many = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(one_too_many.read(&mut byte).await.unwrap_or(0), 0);
    assert_eq!(mute.read(&mut byte).await.unwrap_or(0), 0);
    tokio::time::sleep(short).await;
    let mut silent = Client::connect(&server, "good").await.unwrap();
    assert_eq!(silent.stream.read(&mut byte).await.unwrap_or(0), 0);
    server.is_empty().await;
}

#[tokio::test]
async fn publishers_are_told_of_the_end() {
    let server = Server::start(IngestLimits::default()).await;
    let mut client = Client::connect(&server, "good").await.unwrap();
    server.stage.state.lock().unwrap().end = true;
    for packet in &audio(1) {
        client.send(packet).await;
    }
    assert!(client.end().await.to_string().contains("the event has ended"));
    server.is_empty().await;
    let mut client = Client::connect(&server, "good").await.unwrap();
    server.shutdown.cancel();
    assert!(client.end().await.to_string().contains("the server is stopping"));
}

/// Video frames, audio frames and key frames that came in; each track's configuration first.
fn count(packets: &[Packet]) -> (usize, usize, usize) {
    let mut configured = HashMap::new();
    let (mut video, mut audio, mut keys) = (0, 0, 0);
    let mut last_dts = HashMap::new();
    for packet in packets {
        match packet {
            Packet::Config(config) => drop(configured.insert(config.track, config.codec)),
            Packet::Frame(frame) => {
                assert_eq!(configured.get(&frame.track), Some(&frame.codec));
                assert!(frame.pts_ns >= frame.dts_ns);
                let last = last_dts.insert(frame.track, frame.dts_ns).unwrap_or(i64::MIN);
                assert!(frame.dts_ns >= last, "{} after {last}", frame.dts_ns);
                let is_video = frame.track == Track::Video;
                video += usize::from(is_video);
                audio += usize::from(!is_video);
                keys += usize::from(is_video && frame.key);
            }
        }
    }
    (video, audio, keys)
}

async fn run(program: &str, arguments: &[&str]) -> (bool, String) {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let output = tokio::time::timeout(Duration::from_secs(50), child.wait_with_output()).await;
    let output = output.expect("the client ends in time").unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

const FFMPEG_INPUT: [&str; 13] = [
    "-hide_banner",
    "-loglevel",
    "verbose",
    "-f",
    "lavfi",
    "-i",
    "testsrc2=size=320x180:rate=15:duration=2",
    "-f",
    "lavfi",
    "-i",
    "sine=sample_rate=44100:duration=2",
    "-shortest",
    "-y",
];
const FFMPEG_CODECS: [&str; 14] = [
    "-c:v",
    "libx264",
    "-preset",
    "ultrafast",
    "-bf",
    "2",
    "-g",
    "15",
    "-pix_fmt",
    "yuv420p",
    "-c:a",
    "aac",
    "-f",
    "flv",
];

#[tokio::test]
async fn ffmpeg_publishes_every_packet() {
    let server = Server::start(IngestLimits::default()).await;
    let url = server.url("good?token=1");
    let arguments = [&FFMPEG_INPUT[..], &FFMPEG_CODECS[..], &[&url]].concat();
    let (ok, log) = run("ffmpeg", &arguments).await;
    assert!(ok, "{log}");
    server.is_empty().await;
    let (video, audio, keys) = count(&server.stage.packets.lock().unwrap());
    assert_eq!((video, keys), (30, 2));
    assert!((86..=88).contains(&audio), "{audio}");
}

#[tokio::test]
async fn ffmpeg_shows_why_it_is_refused() {
    let server = Server::start(IngestLimits::default()).await;
    let url = server.url("bad");
    let (ok, log) = run("ffmpeg", &[&FFMPEG_INPUT[..], &FFMPEG_CODECS[..], &[&url]].concat()).await;
    assert!(!ok && log.contains("unknown stream key: copy it anew"), "{log}");
}

async fn gstreamer_publishes(sink: &str) {
    let server = Server::start(IngestLimits::default()).await;
    let sink = format!("{sink} location={}", server.url("good"));
    let pipeline = format!(
        "flvmux name=mux streamable=true ! {sink} \
         videotestsrc num-buffers=30 ! video/x-raw,format=I420,width=320,height=180,framerate=15/1 \
         ! x264enc speed-preset=ultrafast key-int-max=15 bframes=2 ! h264parse ! mux. \
         audiotestsrc num-buffers=86 samplesperbuffer=1024 ! audio/x-raw,rate=44100,channels=2 \
         ! avenc_aac ! aacparse ! mux."
    );
    let arguments: Vec<&str> = ["-q"].into_iter().chain(pipeline.split_whitespace()).collect();
    let (ok, log) = run("gst-launch-1.0", &arguments).await;
    assert!(ok, "{log}");
    server.is_empty().await;
    let (video, audio, keys) = count(&server.stage.packets.lock().unwrap());
    assert_eq!((video, keys), (30, 2));
    assert!((84..=88).contains(&audio), "{audio}");
}

#[tokio::test]
async fn rtmp2sink_publishes_every_packet() {
    gstreamer_publishes("rtmp2sink").await;
}

#[tokio::test]
async fn rtmpsink_publishes_every_packet() {
    gstreamer_publishes("rtmpsink").await;
}
