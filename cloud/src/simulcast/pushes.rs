//! What is pushed of one event: hubs of what it shows, and the outputs that read from them.

use super::connector::Guarded;
use super::{Simulcast, SimulcastError, Simulcasts};
use crate::id::{EventId, SimulcastId};
use crate::live::Rendition;
use crate::store::Versioned;
use serde_json::{Value, json};
use stagebox_media::rtmp::StreamInfo;
use stagebox_media::{Frame, Packet, Track, TrackConfig};
use stagebox_push::{Hub, OutputConfig, OutputHandle, Patience, Target, Times, spawn};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What the source is reckoned to take, where nothing tells.
const SOURCE_KBPS: u32 = 8_000;

/// The pushes of an event; with its task they end.
pub(crate) struct Pushes {
    event: EventId,
    simulcasts: Simulcasts,
    /// What the newest run shows beside the source.
    made: BTreeSet<Rendition>,
    hubs: BTreeMap<Rendition, Hub>,
    /// What a hub is told at its beginning.
    configs: BTreeMap<Rendition, TrackConfig>,
    running: HashMap<SimulcastId, Running>,
    /// Which simulcasts were looked at last.
    known: Option<u64>,
}

struct Running {
    version: u64,
    outputs: Vec<OutputHandle>,
}

impl Pushes {
    pub(crate) fn new(event: EventId, simulcasts: Simulcasts) -> Self {
        Self {
            event,
            simulcasts,
            made: BTreeSet::new(),
            hubs: BTreeMap::new(),
            configs: BTreeMap::new(),
            running: HashMap::new(),
            known: None,
        }
    }

    /// Has those pushed that are wanted, and no others.
    ///
    /// `version` goes up with each change of the event's simulcasts; `is_started` says whether viewers see the event.
    pub(crate) async fn follow(&mut self, version: u64, is_started: bool) {
        if !is_started {
            self.known = None;
            return self.stop();
        }
        if self.known == Some(version) {
            return;
        }
        match self.simulcasts.of_event(&self.event).await {
            Ok(wanted) => {
                // One that could not be begun is tried again with the next look.
                self.known = self.arrange(wanted).then_some(version);
            }
            Err(error) => {
                self.known = None;
                tracing::error!(event = %self.event, %error, "cannot read where an event is to be pushed to");
            }
        }
    }

    /// Whether all that was wanted runs.
    fn arrange(&mut self, wanted: Vec<Versioned<Simulcast>>) -> bool {
        let gone = |id: &SimulcastId, running: &Running| {
            !wanted
                .iter()
                .any(|one| one.document.id == *id && one.document.enabled && one.version == running.version)
        };
        let gone: Vec<_> = self.running.iter().filter(|(id, one)| gone(id, one)).map(|(id, _)| *id).collect();
        for id in gone {
            self.running.remove(&id);
            self.simulcasts.ended(&id);
        }
        let mut all = true;
        for one in wanted {
            let id = one.document.id;
            if !one.document.enabled || self.running.contains_key(&id) {
                continue;
            }
            match self.begin_one(&one.document) {
                Ok(outputs) => {
                    let told = outputs.iter().map(OutputHandle::status).collect();
                    self.simulcasts.begun(one.document, told);
                    self.running.insert(id, Running { version: one.version, outputs });
                }
                Err(error) => {
                    all = false;
                    tracing::error!(event = %self.event, simulcast = %id, %error, "cannot push an event");
                }
            }
        }
        let used: BTreeSet<Rendition> = self.hubs.keys().copied().collect();
        tracing::debug!(event = %self.event, outputs = self.running.len(), ?used, "pushes are arranged");
        all
    }

    fn begin_one(&mut self, simulcast: &Simulcast) -> Result<Vec<OutputHandle>, SimulcastError> {
        let key = self.simulcasts.key(simulcast)?;
        let bitrate_kbps = match simulcast.rendition {
            // A tenth of a bit a pixel, 30 pictures a second.
            Rendition::Scaled(lines) => u32::from(lines) * u32::from(lines) * 16 / 9 * 3 / 1000,
            Rendition::Source | Rendition::Audio => SOURCE_KBPS,
        };
        let hub = self.hub(simulcast.rendition);
        let mut outputs = Vec::new();
        for url in simulcast.urls() {
            let target = match Target::parse(url, key.clone()) {
                Ok(target) => target,
                Err(error) => {
                    tracing::error!(simulcast = %simulcast.id, %error, "a simulcast's address cannot be pushed to");
                    continue;
                }
            };
            let config = OutputConfig {
                name: simulcast.id.to_string(),
                bitrate_kbps,
                stream: StreamInfo {
                    encoder: concat!("Stagebox/", env!("CARGO_PKG_VERSION")).to_owned(),
                    ..StreamInfo::default()
                },
                times: Times::FromZero,
                patience: Patience::POLITE,
            };
            let connector =
                Guarded { outbound: self.simulcasts.outbound().clone(), tls: self.simulcasts.tls() };
            let output = spawn(config, connector, hub.clone());
            output.set_target(Some(target));
            output.set_live(true);
            outputs.push(output);
        }
        Ok(outputs)
    }

    /// The hub of a rendition, told what is shown just now.
    fn hub(&mut self, rendition: Rendition) -> Hub {
        if let Some(hub) = self.hubs.get(&rendition) {
            return hub.clone();
        }
        let hub = Hub::new();
        let picture = self.configs.get(&rendition).or_else(|| self.configs.get(&Rendition::Source));
        for config in picture.into_iter().chain(self.configs.get(&Rendition::Audio)) {
            hub.publish(Packet::Config(config.clone()));
        }
        self.hubs.insert(rendition, hub.clone());
        hub
    }

    /// A run begins: with this picture and sound, and these renditions beside the source.
    pub(crate) fn begin(
        &mut self,
        video: Option<&TrackConfig>,
        audio: Option<&TrackConfig>,
        renditions: impl Iterator<Item = Rendition>,
    ) {
        self.made = renditions.collect();
        self.configs.clear();
        if let Some(video) = video {
            self.configs.insert(Rendition::Source, video.clone());
        }
        if let Some(audio) = audio {
            self.configs.insert(Rendition::Audio, audio.clone());
        }
        for (rendition, hub) in &self.hubs {
            let picture = video.filter(|_| !self.made.contains(rendition));
            for config in picture.into_iter().chain(audio) {
                hub.publish(Packet::Config(config.clone()));
            }
        }
    }

    /// A frame of the source, or of the sound.
    pub(crate) fn frame(&self, frame: &Frame) {
        for (rendition, hub) in &self.hubs {
            if frame.track == Track::Audio || !self.made.contains(rendition) {
                hub.publish(Packet::Frame(frame.clone()));
            }
        }
    }

    /// What a smaller rendition has.
    pub(crate) fn scaled(&mut self, rendition: Rendition, packet: &Packet) {
        if let Packet::Config(config) = packet {
            self.configs.insert(rendition, config.clone());
        }
        if let Some(hub) = self.hubs.get(&rendition).filter(|_| self.made.contains(&rendition)) {
            hub.publish(packet.clone());
        }
    }

    /// A rendition is not made any more: those who had it get the source.
    pub(crate) fn given_up(&mut self, rendition: Rendition) {
        if self.made.remove(&rendition)
            && let (Some(hub), Some(video)) =
                (self.hubs.get(&rendition), self.configs.get(&Rendition::Source))
        {
            hub.publish(Packet::Config(video.clone()));
        }
    }

    /// Whether anything is pushed.
    pub(crate) fn is_busy(&self) -> bool {
        !self.running.is_empty()
    }

    /// What is pushed and how it fares, for pages.
    pub(crate) fn news(&self) -> Option<Value> {
        let all = self.simulcasts.outputs_of(&self.event).into_iter();
        let all: Vec<Value> = all.map(|(id, outputs)| json!({ "id": id, "outputs": outputs })).collect();
        self.is_busy().then(|| all.into())
    }

    fn stop(&mut self) {
        for (id, running) in self.running.drain() {
            // Said before they are let go, so that each ends its stream in order.
            running.outputs.iter().for_each(|output| output.set_live(false));
            self.simulcasts.ended(&id);
        }
        self.hubs.clear();
    }
}

impl Drop for Pushes {
    fn drop(&mut self) {
        self.stop();
    }
}
