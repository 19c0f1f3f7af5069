use bytes::Bytes;
use proptest::prelude::*;

use super::timeline::to_ns;
use super::*;
use crate::aac::AudioSpecificConfig;
use crate::{Codec, Epoch, Frame, Packet, Track, TrackConfig};

/// avcC of x264, High, 1280x720, 30 frames a second.
const AVCC: &[u8] = &[
    0x01, 0x64, 0x00, 0x1f, 0xff, 0xe1, 0x00, 0x1a, 0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0x50, 0x05,
    0xbb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x83, 0x19, 0x60,
    0x01, 0x00, 0x04, 0x68, 0xef, 0x8f, 0xcb, 0xfd, 0xf8, 0xf8, 0x00,
];
const RATE: u32 = 48_000;

pub(super) fn video_config() -> TrackConfig {
    let data = Bytes::from_static(AVCC);
    TrackConfig { track: Track::Video, codec: Codec::H264, epoch: Epoch::UNKNOWN, data }
}

pub(super) fn audio_config() -> TrackConfig {
    let data = AudioSpecificConfig::lc(RATE, 2).unwrap().to_bytes();
    TrackConfig { track: Track::Audio, codec: Codec::Aac, epoch: Epoch::UNKNOWN, data }
}

pub(super) fn video(dts_ns: i64, pts_ns: i64, key: bool, size: usize) -> Frame {
    let data = Bytes::from(vec![dts_ns as u8; size]);
    Frame { track: Track::Video, codec: Codec::H264, epoch: Epoch::UNKNOWN, pts_ns, dts_ns, key, data }
}

pub(super) fn audio(pts_ns: i64, size: usize) -> Frame {
    let data = Bytes::from(vec![pts_ns as u8; size]);
    Frame {
        track: Track::Audio,
        codec: Codec::Aac,
        epoch: Epoch::UNKNOWN,
        pts_ns,
        dts_ns: pts_ns,
        key: true,
        data,
    }
}

/// What the reader makes of `bytes`, pushed in pieces of the given sizes in turn.
pub(super) fn read(bytes: &[u8], sizes: &[usize]) -> Result<Vec<Packet>, CmafError> {
    let mut reader = CmafReader::new();
    let mut packets = Vec::new();
    let mut rest = bytes;
    for size in sizes.iter().cycle() {
        let (piece, tail) = rest.split_at((*size).max(1).min(rest.len()));
        reader.push(piece);
        while let Some(packet) = reader.next()? {
            packets.push(packet);
        }
        rest = tail;
        if rest.is_empty() {
            break;
        }
    }
    Ok(packets)
}

/// Pushes all frames, cutting after those that `cuts` says (in turn), and checks that there is no hole.
fn package(track: &mut CmafTrack, frames: &[Frame], cuts: &[bool]) -> (Vec<u8>, Vec<Fragment>) {
    let mut fragments = Vec::new();
    for (frame, cut) in frames.iter().zip(cuts.iter().cycle()) {
        track.push(frame).unwrap();
        if *cut {
            let pending = track.pending_ticks();
            let fragment = track.cut();
            assert_eq!(fragment.as_ref().map_or(0, |fragment| fragment.duration), pending);
            fragments.extend(fragment);
        }
    }
    fragments.extend(track.finish());
    for pair in fragments.windows(2) {
        assert_eq!(pair[0].decode_time + pair[0].duration, pair[1].decode_time);
    }
    let mut bytes = track.init().to_vec();
    bytes.extend(fragments.iter().flat_map(|fragment| fragment.data.to_vec()));
    (bytes, fragments)
}

/// Header and tables that a scan of the file gives.
fn scan(bytes: &[u8], header_bytes: usize) -> (Bytes, Bytes) {
    let mut scan = MovieScan::new(&bytes[..header_bytes]).unwrap();
    let mut offset = header_bytes;
    let mut moof: Option<(usize, usize)> = None;
    for (kind, body) in boxes::children(&bytes[header_bytes..]) {
        let end = offset + 8 + body.len();
        match (&kind, moof) {
            (b"mdat", Some((from, to))) => {
                scan.fragment(&bytes[from..to], from as u64, (end - offset) as u64).unwrap();
            }
            _ => moof = Some((offset, end)),
        }
        offset = end;
    }
    (scan.header(true).unwrap(), scan.tables())
}

fn decode_times(packets: &[Packet], timescale: u32) -> Vec<i64> {
    let frames = packets.iter().filter_map(|packet| match packet {
        Packet::Frame(frame) => Some(frame.dts_ns),
        Packet::Config(_) => None,
    });
    frames
        .map(|ns| (ns as i128 * i128::from(timescale) + 500_000_000).div_euclid(1_000_000_000) as i64)
        .collect()
}

fn video_frames() -> impl Strategy<Value = Vec<Frame>> {
    let frame = (1i64..9000, -20_000i64..20_000, any::<bool>(), 1usize..60);
    (0i64..1 << 40, proptest::collection::vec(frame, 1..40)).prop_map(|(start, steps)| {
        let mut tick = start;
        let place = |(step, offset, key, size): (i64, i64, bool, usize)| {
            tick += step;
            let presented = (tick + offset).max(0);
            video(to_ns(tick, VIDEO_TIMESCALE), to_ns(presented, VIDEO_TIMESCALE), key, size)
        };
        steps.into_iter().map(place).collect()
    })
}

fn audio_frames(count: usize) -> impl Strategy<Value = Vec<Frame>> {
    (0i64..1 << 36, proptest::collection::vec(1usize..60, 1..count)).prop_map(|(start, sizes)| {
        let place = |(n, size)| audio(to_ns(start + n as i64 * 1024, RATE), size);
        sizes.into_iter().enumerate().map(place).collect()
    })
}

fn cuts() -> impl Strategy<Value = Vec<bool>> {
    proptest::collection::vec(proptest::bool::weighted(0.3), 1..9)
}

fn pieces() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(1usize..400, 1..6)
}

proptest! {
    #[test]
    fn video_is_read_as_it_was_written(frames in video_frames(), cuts in cuts(), pieces in pieces()) {
        let mut track = CmafTrack::new(&video_config()).unwrap();
        let (bytes, fragments) = package(&mut track, &frames, &cuts);
        let written: u32 = fragments.iter().map(|fragment| fragment.samples).sum();
        prop_assert_eq!(written as usize, frames.len());
        let expected: Vec<_> = std::iter::once(Packet::Config(video_config()))
            .chain(frames.into_iter().map(Packet::Frame))
            .collect();
        prop_assert_eq!(read(&bytes, &pieces).unwrap(), expected);
    }

    #[test]
    fn audio_is_read_as_it_was_written(frames in audio_frames(60), cuts in cuts(), pieces in pieces()) {
        let mut track = CmafTrack::new(&audio_config()).unwrap();
        let (bytes, _) = package(&mut track, &frames, &cuts);
        let expected: Vec<_> = std::iter::once(Packet::Config(audio_config()))
            .chain(frames.into_iter().map(Packet::Frame))
            .collect();
        prop_assert_eq!(read(&bytes, &pieces).unwrap(), expected);
    }

    #[test]
    fn a_movie_is_read_as_it_was_written(
        mut frames in (video_frames(), audio_frames(60)).prop_map(|(video, audio)| [video, audio].concat()),
        cuts in cuts(),
        pieces in pieces(),
    ) {
        frames.sort_by_key(|frame| frame.dts_ns);
        let mut movie = MovieWriter::new(&[video_config(), audio_config()], 0).unwrap();
        let header = movie.header();
        let mut bytes = header.to_vec();
        for (frame, cut) in frames.iter().zip(cuts.iter().cycle()) {
            movie.push(frame).unwrap();
            if *cut {
                bytes.extend(movie.cut().iter().flat_map(|fragment| fragment.data.to_vec()));
            }
        }
        let end = movie.finish();
        bytes.extend(end.last.iter().flat_map(|fragment| fragment.data.to_vec()));
        let packets = read(&bytes, &pieces).unwrap();
        let fragments_end = bytes.len() as u64;
        bytes.extend(&end.tables);
        prop_assert_eq!(end.header.len(), header.len());
        prop_assert_eq!(Marker::read(&end.header), Some(Marker::Closed { end: fragments_end }));
        bytes[..header.len()].copy_from_slice(&end.header);
        // Three boxes, whatever is in them.
        let kinds: Vec<_> = boxes::children(&bytes).map(|(kind, _)| kind).collect();
        prop_assert_eq!(kinds, [*b"ftyp", *b"mdat", *b"moov"]);

        prop_assert_eq!(scan(&bytes, header.len()), (end.header, end.tables));
        for (track, config) in [(Track::Video, video_config()), (Track::Audio, audio_config())] {
            let read: Vec<_> = packets.iter().filter(|packet| packet.track() == track).cloned().collect();
            let expected: Vec<_> = std::iter::once(Packet::Config(config))
                .chain(frames.iter().filter(|frame| frame.track == track).cloned().map(Packet::Frame))
                .collect();
            prop_assert_eq!(read, expected);
        }
    }

    /// Any times at all: each frame is a sample, in order and without a hole.
    #[test]
    fn no_times_are_too_odd(
        times in proptest::collection::vec((any::<i64>(), any::<i64>()), 1..30),
        origin in any::<i64>(),
        cuts in cuts(),
    ) {
        let times = times.into_iter().flat_map(|(a, b)| [(a, b), (a, b.wrapping_add(40_000_000)), (b % 1000, a % 1000)]);
        let times: Vec<_> = times.collect();
        let frames: Vec<_> = times.iter().map(|(pts, dts)| video(*dts, *pts, false, 5)).collect();
        let (bytes, _) = package(&mut CmafTrack::new(&video_config()).unwrap().with_origin(origin), &frames, &cuts);
        prop_assert_eq!(read(&bytes, &[1000]).unwrap().len(), frames.len() + 1);
        let frames: Vec<_> = times.iter().map(|(pts, _)| audio(*pts, 5)).collect();
        let (bytes, _) = package(&mut CmafTrack::new(&audio_config()).unwrap().with_origin(origin), &frames, &cuts);
        prop_assert_eq!(read(&bytes, &[1000]).unwrap().len(), frames.len() + 1);
    }
}

#[test]
fn audio_times_in_milliseconds_become_exact() {
    let config =
        TrackConfig { data: AudioSpecificConfig::lc(44_100, 2).unwrap().to_bytes(), ..audio_config() };
    let mut track = CmafTrack::new(&config).unwrap();
    let frames: Vec<_> = (0..10_000i64).map(|n| audio(n * 1_024_000 / 44_100 * 1_000_000, 3)).collect();
    let (bytes, _) = package(&mut track, &frames, &[false, false, true]);
    let times = decode_times(&read(&bytes, &[4096]).unwrap(), 44_100);
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 1024));
}

#[test]
fn audio_is_anchored_anew_only_beyond_40_ms() {
    let step = 1024 * 1_000_000_000 / i64::from(RATE);
    for (jump_ms, expected) in [(39, 1024), (-39, 1024), (100, 1024 + 4800), (-50, 1), (-5000, 1024)] {
        let late = |n: i64| if n >= 5 { jump_ms * 1_000_000 } else { 0 };
        let frames: Vec<_> = (0..12).map(|n| audio(1_000_000_000 + n * step + late(n), 3)).collect();
        let (bytes, _) = package(&mut CmafTrack::new(&audio_config()).unwrap(), &frames, &[true]);
        let times = decode_times(&read(&bytes, &[4096]).unwrap(), RATE);
        assert_eq!(times[5] - times[4], expected, "a jump of {jump_ms} ms");
        assert_eq!(times[9] - times[8], 1024);
        if jump_ms.abs() > 40 && jump_ms > -1000 {
            assert_eq!(times[11], 48_000 + 11 * 1024 + jump_ms * 48, "a jump of {jump_ms} ms");
        }
    }
}

#[test]
fn decode_times_that_repeat_or_go_back_are_put_one_tick_on() {
    let ms = 1_000_000;
    let mut track = CmafTrack::new(&video_config()).unwrap().with_origin(1000 * ms);
    let frames = [(900, 950), (960, 980), (1000, 1000), (1000, 1033), (990, 1066), (1100, 1100)]
        .map(|(dts, pts)| video(dts * ms, pts * ms, true, 4));
    let (bytes, _) = package(&mut track, &frames, &[false]);
    let packets = read(&bytes, &[512]).unwrap();
    assert_eq!(decode_times(&packets, VIDEO_TIMESCALE), [0, 1, 2, 3, 4, 9000]);
    let presented = packets.iter().filter_map(|packet| match packet {
        Packet::Frame(frame) => Some(frame.pts_ns / ms),
        Packet::Config(_) => None,
    });
    assert_eq!(
        presented.collect::<Vec<_>>(),
        [0, 0, 0, 33, 66, 100],
        "presentation times stay what they were"
    );
}

#[test]
fn a_cut_can_be_kept_within_a_part() {
    let mut track = CmafTrack::new(&video_config()).unwrap();
    for n in 0..20i64 {
        let time = n * 33_366_667;
        track.push(&video(time, time, n == 0, 4)).unwrap();
    }
    let part = track.cut_within(45_000).unwrap();
    assert_eq!(
        (part.samples, part.independent),
        (14, true),
        "15 frames of 29.97 last longer than half a second"
    );
    assert!(part.duration <= 45_000 && part.duration > 42_000);
    let rest = track.cut_within(45_000).unwrap();
    assert_eq!((rest.samples, rest.decode_time), (5, part.duration));
    assert_eq!(track.cut_within(45_000), None);
    assert_eq!(track.finish().unwrap().samples, 1);
    assert_eq!(track.finish(), None);
}

#[test]
fn what_cannot_be_packaged_is_refused_by_name() {
    let hevc = TrackConfig { codec: Codec::FourCc(*b"hvc1"), ..video_config() };
    let error = CmafTrack::new(&hevc).unwrap_err();
    assert_eq!(error.to_string(), "Video in hvc1 cannot be packaged; send H.264 and AAC");
    let odd = TrackConfig { codec: Codec::Aac, ..video_config() };
    assert!(matches!(CmafTrack::new(&odd), Err(CmafError::WrongCodec { .. })));
    assert_eq!(MovieWriter::new(&[], 0).unwrap_err(), CmafError::Tracks);
    assert_eq!(MovieWriter::new(&[video_config(), video_config()], 0).unwrap_err(), CmafError::Tracks);
    let mut track = CmafTrack::new(&video_config()).unwrap();
    assert_eq!(track.push(&audio(0, 3)), Err(CmafError::WrongTrack { track: Track::Audio }));
}

#[test]
fn playlists_get_their_attributes() {
    let video = CmafTrack::new(&video_config()).unwrap();
    assert_eq!(video.format().codec_string(), "avc1.64001f");
    assert_eq!(video.format().resolution(), Some((1280, 720)));
    assert_eq!(video.format().frame_rate(), Some(30.0));
    assert_eq!(CmafTrack::new(&audio_config()).unwrap().format().codec_string(), "mp4a.40.2");
}
