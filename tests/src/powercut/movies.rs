//! Recordings as a foreign player would read them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use stagebox_media::cmaf::{CmafReader, Marker};
use stagebox_media::{Epoch, Packet, Track, h264};
use tokio::process::Command;

use crate::house::probe::recordings;

/// The frames of a file, as far as it can be read.
#[derive(Debug, Clone, Default)]
pub(super) struct Movie {
    pub(super) path: PathBuf,
    pub(super) epoch: Epoch,
    pub(super) video: Vec<Bytes>,
    pub(super) audio: Vec<Bytes>,
    /// It is an ordinary file, with its tables at the end, as a file is that was closed.
    pub(super) closed: bool,
    /// Its header says how long it is, as the header of a file does that was closed.
    pub(super) timed: bool,
    /// Why reading ended before the end of the file.
    pub(super) broken: Option<String>,
}

impl Movie {
    pub(super) fn parse(path: &Path, bytes: &[u8]) -> Self {
        let (end, timed) = (tables_at(bytes), says_how_long(bytes));
        let closed = end.is_some();
        let mut movie = Self { path: path.to_owned(), closed, timed, ..Self::default() };
        let mut reader = CmafReader::new();
        // The fragments that it was written in are still there.
        reader.push(Marker::Open.set(&bytes[..end.unwrap_or(bytes.len())]));
        loop {
            match reader.next() {
                Ok(Some(Packet::Frame(frame))) => match frame.track {
                    Track::Video => movie.video.push(frame.data),
                    Track::Audio => movie.audio.push(frame.data),
                },
                Ok(Some(Packet::Config(_))) => {}
                Ok(None) => break,
                Err(error) => {
                    movie.broken = Some(error.to_string());
                    break;
                }
            }
        }
        movie.epoch = movie.video.iter().find_map(|data| h264::read_epoch(data)).unwrap_or(Epoch::UNKNOWN);
        movie
    }
}

/// All files of a folder, oldest name first.
pub(super) fn read_all(folder: &Path) -> Result<Vec<Movie>> {
    let paths = recordings(folder);
    let read = |path: &PathBuf| Ok(Movie::parse(path, &std::fs::read(path).context("reading a recording")?));
    paths.iter().map(read).collect()
}

/// Where `moov` begins, if all that is before it is one `mdat`, and all that is behind it the `moov`.
fn tables_at(bytes: &[u8]) -> Option<usize> {
    let Some(Marker::Closed { end }) = Marker::read(bytes) else { return None };
    let end = usize::try_from(end).ok()?;
    let (length, kind) = bytes.get(end..end + 8)?.split_first_chunk::<4>()?;
    (kind == b"moov" && end + u32::from_be_bytes(*length) as usize == bytes.len()).then_some(end)
}

/// ISO/IEC 14496-12, 8.8.2: `mehd` ends with the length of the movie, after a version and flags.
fn says_how_long(bytes: &[u8]) -> bool {
    let Some(place) = bytes.windows(4).take(4096).position(|kind| kind == b"mehd") else { return false };
    let long = bytes.get(place + 4) == Some(&1);
    let length = bytes.get(place + 8..place + if long { 16 } else { 12 });
    length.is_some_and(|length| length.iter().any(|byte| *byte != 0))
}

/// The first frames of the folder's files are these, at least `count` of them.
pub(super) fn begin_with(what: &str, found: &[&Bytes], expected: &[Bytes], count: usize) -> Result<()> {
    ensure!(found.len() >= count, "{} {what} frames play, {count} must", found.len());
    ensure!(
        found.len() <= expected.len(),
        "{} {what} frames play, {} there were",
        found.len(),
        expected.len()
    );
    match found.iter().zip(expected).position(|(found, expected)| *found != expected) {
        Some(number) => bail!("{what} frame {number} is not the one that was recorded"),
        None => Ok(()),
    }
}

/// ffprobe decodes all video frames of a file without a complaint.
pub(super) async fn plays(movie: &Movie) -> Result<()> {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "warning", "-count_frames", "-select_streams", "v"]);
    command.args(["-show_entries", "stream=nb_read_frames", "-of", "csv=p=0"]).arg(&movie.path);
    let output = command.output().await.context("starting ffprobe")?;
    let complaints = String::from_utf8_lossy(&output.stderr);
    ensure!(complaints.is_empty(), "ffprobe {}: {complaints}", movie.path.display());
    let frames = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    ensure!(frames == movie.video.len().to_string(), "ffprobe plays {frames} of {}", movie.video.len());
    Ok(())
}
