//! Follows the FLV files that a server writes while it receives (Adobe's FLV specification 10.1, annex E).

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use stagebox_media::{Epoch, h264};
use stagebox_tests::house::peer::Nginx;
use tokio::time::{Instant, sleep};

use super::live::STEP;

/// The file's header and the length of no tag before the first.
const HEADER_BYTES: usize = 9 + LENGTH_BYTES;
/// After each tag.
const LENGTH_BYTES: usize = 4;
const TAG_HEADER_BYTES: usize = 11;
/// A file is looked at this often.
pub(crate) const LOOK: Duration = Duration::from_millis(3);
const VIDEO: u8 = 9;
/// In the second byte of a video tag: a picture, and no configuration.
const PICTURE: u8 = 1;
/// Before the picture itself.
const VIDEO_HEADER_BYTES: usize = 5;

/// What came to the server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Picture {
    /// Which run of the encoder a key frame is of.
    pub(crate) epoch: Option<Epoch>,
}

/// One file from its beginning on.
pub(crate) struct Flv {
    file: File,
    bytes: Vec<u8>,
    has_begun: bool,
}

impl Flv {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
        Ok(Self { file, bytes: Vec::new(), has_begun: false })
    }

    /// The pictures that were written since it was asked last.
    pub(crate) fn pictures(&mut self) -> Result<Vec<Picture>> {
        self.file.read_to_end(&mut self.bytes).context("reading an FLV file")?;
        if !self.has_begun {
            if self.bytes.len() < HEADER_BYTES {
                return Ok(Vec::new());
            }
            self.bytes.drain(..HEADER_BYTES);
            self.has_begun = true;
        }
        let (mut read, mut pictures) = (0, Vec::new());
        while let Some(tag) = self.bytes.get(read..read + TAG_HEADER_BYTES) {
            let length = u32::from_be_bytes([0, tag[1], tag[2], tag[3]]) as usize;
            let end = read + TAG_HEADER_BYTES + length + LENGTH_BYTES;
            if end > self.bytes.len() {
                break;
            }
            let body = &self.bytes[read + TAG_HEADER_BYTES..end - LENGTH_BYTES];
            if let (VIDEO, Some((&[_, PICTURE, ..], picture))) =
                (tag[0], body.split_first_chunk::<VIDEO_HEADER_BYTES>())
            {
                pictures.push(Picture { epoch: h264::read_epoch(picture) });
            }
            read = end;
        }
        self.bytes.drain(..read);
        Ok(pictures)
    }
}

/// The files that a server has written by now.
pub(crate) fn files(server: &Nginx) -> BTreeSet<PathBuf> {
    server.recorded().into_iter().collect()
}

/// Waits until there is a picture in a file that is not one of `known`; says when.
pub(crate) async fn first_picture(server: &Nginx, known: &BTreeSet<PathBuf>) -> Result<Instant> {
    let begun = Instant::now();
    let mut followed: Vec<(PathBuf, Flv)> = Vec::new();
    loop {
        for path in server.recorded() {
            if !known.contains(&path) && followed.iter().all(|(is, _)| *is != path) {
                let flv = Flv::open(&path)?;
                followed.push((path, flv));
            }
        }
        for (_, flv) in &mut followed {
            if !flv.pictures()?.is_empty() {
                return Ok(Instant::now());
            }
        }
        ensure!(begun.elapsed() < STEP, "no picture comes to the server");
        sleep(LOOK).await;
    }
}
