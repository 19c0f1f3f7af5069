//! Client against server: no sockets, any cut of the bytes.

use bytes::{Buf, Bytes, BytesMut};

use super::{ClientConfig, ClientSession, RtmpError, ServerConfig, ServerEvent, ServerSession};
use crate::{Codec, Epoch, Frame, Packet, Track, TrackConfig};

mod hostile;
mod sessions;
mod streams;

/// A client and a server, and the bytes between them.
struct Pair {
    client: ClientSession,
    server: ServerSession,
    to_server: BytesMut,
    to_client: BytesMut,
    server_input: BytesMut,
    client_input: BytesMut,
    step: usize,
    events: Vec<ServerEvent>,
    /// What the server answers to the wish to publish.
    refuse: Option<&'static str>,
}

impl Pair {
    fn new(client: ClientConfig, server: ServerConfig, step: usize) -> Self {
        Self {
            client: ClientSession::new(client),
            server: ServerSession::new(server),
            to_server: BytesMut::new(),
            to_client: BytesMut::new(),
            server_input: BytesMut::new(),
            client_input: BytesMut::new(),
            step,
            events: Vec::new(),
            refuse: None,
        }
    }

    /// Carries bytes to and fro until there are none, collecting the server's events.
    fn run(&mut self) -> Result<(), RtmpError> {
        loop {
            self.to_server.unsplit(self.client.output().split());
            self.to_client.unsplit(self.server.output().split());
            if self.to_server.is_empty() && self.to_client.is_empty() {
                return Ok(());
            }
            let count = self.step.min(self.to_server.len());
            self.server_input.extend_from_slice(&self.to_server[..count]);
            self.to_server.advance(count);
            while let Some(event) = self.server.next(&mut self.server_input)? {
                if matches!(event, ServerEvent::PublishRequested(_)) {
                    match self.refuse {
                        None => self.server.accept(),
                        Some(reason) => self.server.refuse(reason),
                    }
                }
                self.events.push(event);
            }
            let count = self.step.min(self.to_client.len());
            self.client_input.extend_from_slice(&self.to_client[..count]);
            self.to_client.advance(count);
            while self.client.next(&mut self.client_input)?.is_some() {}
        }
    }

    fn packets(&self) -> Vec<Packet> {
        let packet = |event: &ServerEvent| match event {
            ServerEvent::Packet(packet) => Some(packet.clone()),
            _ => None,
        };
        self.events.iter().filter_map(packet).collect()
    }
}

fn video_config(epoch: u64) -> Packet {
    let data = Bytes::from_static(&[1, 100, 0, 31, 0xFF, 0xE1, 0, 1, 0x67, 1, 0, 1, 0x68]);
    let epoch = Epoch(epoch);
    Packet::Config(TrackConfig { track: Track::Video, codec: Codec::H264, epoch, data })
}

fn audio_config(epoch: u64) -> Packet {
    let data = Bytes::from_static(&[0x11, 0x90]);
    Packet::Config(TrackConfig { track: Track::Audio, codec: Codec::Aac, epoch: Epoch(epoch), data })
}

fn frame(track: Track, epoch: u64, dts_ms: i64, composition_ms: i64, key: bool, length: usize) -> Packet {
    let codec = if track == Track::Video { Codec::H264 } else { Codec::Aac };
    // A picture has a NAL unit, if a short one.
    let length = if track == Track::Video { length.max(5) } else { length };
    let mut data: Vec<u8> = (0..length).map(|at| (at * 7 + dts_ms as usize) as u8).collect();
    if track == Track::Video {
        data[..4].copy_from_slice(&((length - 4) as u32).to_be_bytes());
    }
    Packet::Frame(Frame {
        track,
        codec,
        epoch: Epoch(epoch),
        pts_ns: (dts_ms + composition_ms) * 1_000_000,
        dts_ns: dts_ms * 1_000_000,
        key,
        data: data.into(),
    })
}
