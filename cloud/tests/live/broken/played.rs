//! What came of a broadcast: one rendition's playlist and all that it lists.

use std::path::Path;
use std::process::Command;

use reqwest::Client;
use stagebox_media::Packet;
use stagebox_media::cmaf::CmafReader;

/// All of a rendition, in stretches that a decoder plays without being told anything new.
#[derive(Debug, Default)]
pub(super) struct Played {
    pub(super) runs: Vec<Run>,
}

/// One stretch.
#[derive(Debug, Default)]
pub(super) struct Run {
    init: String,
    bytes: Vec<u8>,
    /// Of its frames, as they lie in it.
    dts_ns: Vec<i64>,
}

impl Played {
    /// Fetches a rendition below this address; nothing if there is none.
    pub(super) async fn fetch(client: &Client, address: &str) -> Self {
        let (status, list) = fetch(client, &format!("{address}/index.m3u8")).await;
        let list = String::from_utf8(list).unwrap();
        let mut played = Self::default();
        if status == 404 {
            return played;
        }
        assert_eq!(status, 200, "{list}");
        let (mut init, mut is_new, mut is_gap) = (String::new(), true, false);
        for line in list.lines() {
            if let Some(uri) = line.strip_prefix("#EXT-X-MAP:URI=\"") {
                let uri = uri.split('"').next().unwrap().to_owned();
                is_new |= init != uri;
                init = uri;
            } else if line == "#EXT-X-DISCONTINUITY" {
                is_new = true;
            } else if line == "#EXT-X-GAP" {
                is_gap = true;
            } else if !line.starts_with('#') && !line.is_empty() && !std::mem::take(&mut is_gap) {
                if std::mem::take(&mut is_new) {
                    let (_, bytes) = fetch(client, &format!("{address}/{init}")).await;
                    played.runs.push(Run { init: init.clone(), bytes, dts_ns: Vec::new() });
                }
                let run = played.runs.last_mut().unwrap();
                let (status, bytes) = fetch(client, &format!("{address}/{line}")).await;
                assert_eq!(status, 200, "{line}");
                run.bytes.extend(bytes);
            }
        }
        played.runs.iter_mut().for_each(Run::read);
        played
    }

    pub(super) fn frames(&self) -> usize {
        self.runs.iter().map(|run| run.dts_ns.len()).sum()
    }

    /// Where a decoding time is not later than the one before.
    pub(super) fn falls(&self) -> Vec<(i64, i64)> {
        let all: Vec<i64> = self.runs.iter().flat_map(|run| run.dts_ns.clone()).collect();
        all.windows(2).filter(|pair| pair[1] <= pair[0]).map(|pair| (pair[0], pair[1])).collect()
    }

    /// Has a foreign decoder decode all of it; what it says against it.
    pub(super) fn decode(&self, folder: &Path, name: &str) -> Option<String> {
        for (number, run) in self.runs.iter().enumerate() {
            let file = folder.join(format!("{name}-{number}.mp4"));
            std::fs::write(&file, &run.bytes).unwrap();
            let output = Command::new("ffprobe")
                .args(["-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames"])
                .args(["-of", "csv=p=0"])
                .arg(&file)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            let decoded = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or(0_usize);
            // A decoder of sound may hold its first packet back.
            let is_all = decoded.abs_diff(run.dts_ns.len()) <= usize::from(name.ends_with("sound"));
            if !said.is_empty() || !is_all {
                return Some(format!("{decoded} of {} in {}: {said}", run.dts_ns.len(), run.init));
            }
        }
        None
    }
}

impl Run {
    fn read(&mut self) {
        let mut reader = CmafReader::new();
        reader.push(&self.bytes);
        while let Some(packet) = reader.next().unwrap() {
            if let Packet::Frame(frame) = packet {
                self.dts_ns.push(frame.dts_ns);
            }
        }
    }
}

async fn fetch(client: &Client, url: &str) -> (u16, Vec<u8>) {
    let answer = client.get(url).send().await.unwrap();
    (answer.status().as_u16(), answer.bytes().await.unwrap().to_vec())
}
