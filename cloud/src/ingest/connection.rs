//! One encoder's connection, from the handshake to its end.
#![allow(clippy::disallowed_methods, reason = "a driver: it reads the clock for the core")]

use std::net::SocketAddr;
use std::pin::Pin;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use stagebox_media::rtmp::{PublishRequest, RtmpError, ServerConfig, ServerEvent, ServerSession};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

use super::occupancy::{Claim, Held};
use super::pace::{self, Pace};
use super::phase::{Phase, Throttle};
use super::wire::Wire;
use super::{APP, Broadcast, Gone, Ingest, Publisher, Publishing, Refused};

/// What is read at once; frames are cut out of these blocks.
const READ_BYTES: usize = 64 * 1024;
/// With less room than this a new block is begun.
const LEAST_ROOM: usize = 8 * 1024;
/// How long a client that was told why gets to read it.
const LINGER: Duration = Duration::from_secs(1);
/// How long a silent publisher gets to make way.
const LEAVE: Duration = Duration::from_secs(2);

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("the encoder closed the connection")]
    Closed,
    #[error("the connection broke: {0}")]
    Io(#[from] std::io::Error),
    #[error("RTMP: {0}")]
    Rtmp(#[from] RtmpError),
    #[error("refused: {0}")]
    Refused(String),
    #[error("{0}")]
    Late(&'static str),
    #[error("the encoder does not read our answers")]
    Slow,
    #[error("another connection took the stream key over")]
    TakenOver,
    #[error("the server is stopping")]
    Shutdown,
    #[error("ended from inside: {0}")]
    Gone(Gone),
}

/// What a broadcast that was accepted holds.
struct Live<P> {
    publisher: P,
    held: Held,
    make_way: CancellationToken,
    pace: Pace,
    look_at: Instant,
}

pub(super) struct Connection<P: Publishing> {
    stream: Wire,
    peer: SocketAddr,
    ingest: Ingest<P>,
    session: ServerSession,
    input: BytesMut,
    phase: Phase,
    throttle: Throttle,
    live: Option<Live<P::Publisher>>,
}

impl<P: Publishing> Connection<P> {
    pub(super) fn new(stream: Wire, peer: SocketAddr, ingest: Ingest<P>) -> Self {
        let now = Instant::now();
        let limits = &ingest.limits;
        // Nothing hangs on the handshake's bytes being hard to guess.
        let seed = u64::from(peer.port()) << 32 ^ u64::from(std::process::id());
        let config = ServerConfig { limits: limits.rtmp, seed, ..ServerConfig::default() };
        Self {
            stream,
            peer,
            session: ServerSession::new(config),
            input: BytesMut::new(),
            phase: Phase::start(now, limits),
            throttle: Throttle::new(now, limits.max_bytes_per_s),
            live: None,
            ingest,
        }
    }

    pub(super) async fn run(mut self) {
        // Answers are small and awaited.
        let _ = self.stream.tcp().set_nodelay(true);
        let end = match self.serve().await {
            Ok(()) => End::Closed,
            Err(end) => end,
        };
        let was_live = self.live.is_some();
        self.leave().await;
        match end {
            End::Closed | End::Shutdown if was_live => {
                tracing::info!(peer = %self.peer, %end, "broadcast over");
            }
            End::Closed | End::Shutdown => tracing::debug!(peer = %self.peer, %end, "RTMP connection over"),
            _ => tracing::warn!(peer = %self.peer, %end, "RTMP connection over"),
        }
        let told =
            matches!(end, End::Rtmp(_) | End::Refused(_) | End::Gone(_) | End::Shutdown | End::TakenOver);
        if told {
            self.farewell().await;
        }
    }

    async fn serve(&mut self) -> Result<(), End> {
        let shutdown = self.ingest.shutdown.clone();
        let mut stopping = std::pin::pin!(shutdown.cancelled());
        let mut timer = std::pin::pin!(tokio::time::sleep_until(self.phase.deadline().into()));
        loop {
            self.reserve();
            let make_way = self.live.as_ref().map(|live| live.make_way.clone());
            let read = tokio::select! {
                biased;
                read = self.stream.read_buf(&mut self.input) => read?,
                () = timer.as_mut() => {
                    self.look(timer.as_mut())?;
                    continue;
                }
                () = cancelled(make_way.as_ref()) => {
                    self.session.end("another connection took this stream key over");
                    return Err(End::TakenOver);
                }
                () = stopping.as_mut() => {
                    self.session.end("the server is stopping");
                    return Err(End::Shutdown);
                }
            };
            if read == 0 {
                return Ok(());
            }
            self.heard(read).await;
            self.handle_input().await?;
            // Phases that begin end sooner than the timer thinks.
            let next_look = self.next_look();
            if timer.deadline() > next_look.into() {
                timer.as_mut().reset(next_look.into());
            }
        }
    }

    /// Makes room in the block that is read into, or begins a new one.
    fn reserve(&mut self) {
        if self.input.capacity() - self.input.len() < LEAST_ROOM {
            self.input.reserve(READ_BYTES);
        }
    }

    /// Notes that the client lives, and slows it down if it sends too fast.
    async fn heard(&mut self, bytes: usize) {
        let now = Instant::now();
        self.phase.heard(now, &self.ingest.limits);
        self.ingest.counters.received(bytes);
        if let Some(live) = &mut self.live {
            live.held.heard(now);
            live.pace.received(bytes);
        }
        if let Some(wait) = self.throttle.spend(bytes, now) {
            tokio::time::sleep(wait).await;
        }
    }

    /// The timer is set once and looks again when it fires, so that frames do not touch it.
    fn look(&mut self, mut timer: Pin<&mut Sleep>) -> Result<(), End> {
        let now = Instant::now();
        if self.phase.deadline() <= now {
            return Err(End::Late(self.phase.missed()));
        }
        if let Some(live) = &mut self.live {
            live.look_at = now + pace::LOOK_EVERY;
            if let Some(bytes) = live.pace.look(now) {
                pace::set_low_water(self.stream.tcp(), bytes);
            }
        }
        timer.as_mut().reset(self.next_look().into());
        Ok(())
    }

    fn next_look(&self) -> Instant {
        let deadline = self.phase.deadline();
        self.live.as_ref().map_or(deadline, |live| deadline.min(live.look_at))
    }

    async fn handle_input(&mut self) -> Result<(), End> {
        loop {
            let event = self.session.next(&mut self.input)?;
            if self.session.is_past_handshake() {
                self.phase.shaken(Instant::now(), &self.ingest.limits);
            }
            match event {
                None => break,
                Some(ServerEvent::Packet(packet)) => {
                    if let Some(live) = &mut self.live
                        && let Err(gone) = live.publisher.send(packet).await
                    {
                        self.session.end(&gone.0);
                        return Err(End::Gone(gone));
                    }
                }
                Some(ServerEvent::LeftOut(left_out)) => {
                    if let Some(live) = &mut self.live
                        && let Err(gone) = live.publisher.left_out(left_out).await
                    {
                        self.session.end(&gone.0);
                        return Err(End::Gone(gone));
                    }
                }
                Some(ServerEvent::PublishRequested(request)) => self.publish(request).await?,
                Some(ServerEvent::Metadata(metadata)) => {
                    tracing::info!(
                        peer = %self.peer,
                        encoder = metadata.encoder.as_deref().unwrap_or("unnamed"),
                        width = metadata.width,
                        height = metadata.height,
                        frames_per_s = metadata.frames_per_s,
                        video_kbps = metadata.video_kbps,
                        "stream described"
                    );
                }
                Some(ServerEvent::Unpublished) => {
                    tracing::info!(peer = %self.peer, "the encoder ended its broadcast");
                    self.leave().await;
                    self.phase.unpublished(Instant::now(), &self.ingest.limits);
                }
            }
        }
        self.flush().await
    }

    async fn publish(&mut self, request: PublishRequest) -> Result<(), End> {
        match self.admit(&request).await {
            Ok(live) => {
                self.session.accept();
                self.live = Some(live);
                self.ingest.counters.began();
                self.phase.publishing(Instant::now(), &self.ingest.limits);
                tracing::info!(peer = %self.peer, encoder = request.client, "broadcast begins");
                Ok(())
            }
            Err(reason) => {
                self.ingest.counters.refused();
                self.session.refuse(&reason);
                Err(End::Refused(reason))
            }
        }
    }

    async fn admit(&mut self, request: &PublishRequest) -> Result<Live<P::Publisher>, String> {
        if request.app != APP {
            return Err(format!("unknown application: the URL must end in /{APP}"));
        }
        let broadcast =
            Broadcast { key: request.key.clone(), source: self.peer, encoder: request.client.clone() };
        let held = self.claim(&broadcast.key).await.map_err(|refused| refused.to_string())?;
        let publisher =
            self.ingest.publishing.publish(&broadcast).await.map_err(|refused| refused.to_string())?;
        let now = Instant::now();
        let (make_way, pace) = (held.make_way(), Pace::new(now));
        Ok(Live { publisher, held, make_way, pace, look_at: now + pace::LOOK_EVERY })
    }

    /// Takes the key, from a silent holder too: an encoder whose network came back must not wait for its
    /// own old connection to time out.
    async fn claim(&mut self, key: &str) -> Result<Held, Refused> {
        let give_way = self.ingest.limits.give_way;
        let left = match self.ingest.occupancy.claim(key, Instant::now(), give_way) {
            Claim::Free(held) => return Ok(held),
            Claim::Taken => return Err(Refused::AlreadyPublishing),
            Claim::Leaving(left) => left,
        };
        let _ = tokio::time::timeout(LEAVE, left.cancelled()).await;
        match self.ingest.occupancy.claim(key, Instant::now(), give_way) {
            Claim::Free(held) => Ok(held),
            Claim::Taken | Claim::Leaving(_) => Err(Refused::AlreadyPublishing),
        }
    }

    /// Gives publisher and key back, in this order: the next one must find the inside free.
    async fn leave(&mut self) {
        if let Some(live) = self.live.take() {
            self.ingest.counters.ended();
            live.publisher.leave().await;
            drop(live.held);
            pace::set_low_water(self.stream.tcp(), 1);
        }
    }

    async fn flush(&mut self) -> Result<(), End> {
        let output = self.session.output();
        if output.is_empty() {
            return Ok(());
        }
        let write = async {
            self.stream.write_all_buf(output).await?;
            // TLS may hold bytes back that it has taken.
            self.stream.flush().await
        };
        tokio::time::timeout(self.ingest.limits.write, write).await.map_err(|_| End::Slow)??;
        Ok(())
    }

    /// Sends the last words and reads on until the client has gone: bytes left unread would make the kernel
    /// reset the connection, and the client lose our words.
    async fn farewell(mut self) {
        let last_words = async {
            self.flush().await.ok()?;
            self.stream.shutdown().await.ok()?;
            let mut sink = BytesMut::with_capacity(LEAST_ROOM);
            while self.stream.read_buf(&mut sink).await.ok()? > 0 {
                sink.clear();
            }
            Some(())
        };
        let _ = tokio::time::timeout(LINGER, last_words).await;
    }
}

async fn cancelled(token: Option<&CancellationToken>) {
    match token {
        Some(token) => token.cancelled().await,
        None => std::future::pending().await,
    }
}
