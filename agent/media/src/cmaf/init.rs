//! Writes what comes before the first fragment: `ftyp` and `moov`.

use bytes::{BufMut, Bytes, BytesMut};
use mp4_atom::{
    Audio, Avc1, Avcc, Codec, Decode, Dinf, Dref, DrefEntry, Ftyp, Hdlr, Mdhd, Mehd, Mp4a, Mvex, Mvhd, Pasp,
    Smhd, Stbl, Stco, Stsd, Tkhd, Trex, Url, Visual, Vmhd, esds,
};

use super::TrackFormat;
use super::fragment::{DELTA_FLAGS, KEY_FLAGS, encode};
use crate::Track;
use crate::h264::{AvcConfig, Sps};

/// Ticks a second of the movie itself.
pub(super) const MOVIE_TIMESCALE: u32 = 1_000;

/// A track as `moov` describes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct TrackBox<'a> {
    pub(super) id: u32,
    pub(super) format: &'a TrackFormat,
    /// In ticks of the track; zero while it is not known.
    pub(super) duration: u64,
}

impl TrackBox<'_> {
    fn duration_ms(&self) -> u64 {
        let timescale = u64::from(self.format.timescale().max(1));
        self.duration.saturating_mul(u64::from(MOVIE_TIMESCALE)).div_ceil(timescale)
    }
}

/// The header of a CMAF track file (ISO/IEC 23000-19, 7.3.1); `cmf2` stands for signed offsets without edit lists.
pub(super) fn track_header(format: &TrackFormat) -> Bytes {
    let ftyp = Ftyp {
        major_brand: b"cmf2".into(),
        minor_version: 0,
        compatible_brands: vec![b"iso6".into(), b"cmfc".into(), b"cmf2".into(), b"mp41".into()],
    };
    let mut out = BytesMut::with_capacity(1024);
    encode(&ftyp, &mut out);
    put_movie_box(&[TrackBox { id: 1, format, duration: 0 }], None, &mut out);
    out.freeze()
}

/// The header of a movie file; it has the same length whatever the durations are.
pub(super) fn movie_header(tracks: &[TrackBox<'_>]) -> Bytes {
    let ftyp = Ftyp {
        major_brand: b"iso6".into(),
        minor_version: 512,
        compatible_brands: vec![b"iso6".into(), b"isom".into(), b"avc1".into(), b"mp41".into()],
    };
    let duration = tracks.iter().map(TrackBox::duration_ms).max().unwrap_or(0);
    let mut out = BytesMut::with_capacity(2048);
    encode(&ftyp, &mut out);
    // Room for what makes it an ordinary file once it is closed.
    put_box(b"free", &mut out, |out| out.put_u64(0));
    put_movie_box(tracks, Some(Mehd { fragment_duration: duration }), &mut out);
    out.freeze()
}

/// Writes the boxes in the order of the specification (ISO/IEC 14496-12, 6.2.3), which some players insist on.
fn put_movie_box(tracks: &[TrackBox<'_>], mehd: Option<Mehd>, out: &mut BytesMut) {
    let duration = tracks.iter().map(TrackBox::duration_ms).max().unwrap_or(0);
    let next_track_id = tracks.iter().map(|track| track.id).max().unwrap_or(0) + 1;
    let mvhd = movie_box(duration, next_track_id);
    let mvex = Mvex { mehd, trex: tracks.iter().map(track_defaults).collect() };
    put_box(b"moov", out, |out| {
        encode(&mvhd, out);
        for track in tracks {
            put_track_box(track, out);
        }
        encode(&mvex, out);
    });
}

/// Flags of a track's samples where a fragment does not say otherwise.
pub(super) fn default_flags(format: &TrackFormat) -> u32 {
    match format {
        TrackFormat::Video { .. } => DELTA_FLAGS,
        TrackFormat::Audio { .. } => KEY_FLAGS,
    }
}

fn track_defaults(track: &TrackBox<'_>) -> Trex {
    Trex {
        track_id: track.id,
        default_sample_description_index: 1,
        default_sample_duration: track.format.usual_duration(),
        default_sample_size: 0,
        default_sample_flags: default_flags(track.format),
    }
}

fn put_track_box(track: &TrackBox<'_>, out: &mut BytesMut) {
    let kind = track.format.track();
    put_box(b"trak", out, |out| {
        encode(&track_box(track.id, track.format, track.duration_ms()), out);
        put_box(b"mdia", out, |out| {
            encode(&media_header(track.format.timescale(), track.duration), out);
            encode(&handler(kind), out);
            put_box(b"minf", out, |out| {
                put_media_information(kind, out);
                encode(&empty_sample_table(track.format), out);
            });
        });
    });
}

/// `mvhd` of a movie that lasts so many ticks of its own.
pub(super) fn movie_box(duration: u64, next_track_id: u32) -> Mvhd {
    Mvhd {
        timescale: MOVIE_TIMESCALE,
        duration,
        rate: 1.into(),
        volume: 1.into(),
        next_track_id,
        ..Mvhd::default()
    }
}

/// `tkhd`; the duration is in ticks of the movie.
pub(super) fn track_box(track_id: u32, format: &TrackFormat, duration: u64) -> Tkhd {
    let (width, height) = format.resolution().unwrap_or((0, 0));
    Tkhd {
        track_id,
        duration,
        enabled: true,
        in_movie: true,
        volume: u8::from(format.track() == Track::Audio).into(),
        width: (width as u16).into(),
        height: (height as u16).into(),
        ..Tkhd::default()
    }
}

/// `mdhd`.
pub(super) fn media_header(timescale: u32, duration: u64) -> Mdhd {
    Mdhd { timescale, duration, language: "und".into(), ..Mdhd::default() }
}

/// `hdlr`.
pub(super) fn handler(kind: Track) -> Hdlr {
    match kind {
        Track::Video => Hdlr { handler: b"vide".into(), name: "Video".into() },
        Track::Audio => Hdlr { handler: b"soun".into(), name: "Audio".into() },
    }
}

/// What stands before the sample table: `vmhd` or `smhd`, and `dinf`.
pub(super) fn put_media_information(kind: Track, out: &mut BytesMut) {
    match kind {
        Track::Video => encode(&Vmhd::default(), out),
        Track::Audio => encode(&Smhd::default(), out),
    }
    encode(&Dinf { dref: Dref { entries: vec![DrefEntry::Url(Url::default())] } }, out);
}

/// All samples are in fragments.
fn empty_sample_table(format: &TrackFormat) -> Stbl {
    Stbl { stsd: Stsd { codecs: vec![sample_entry(format)] }, stco: Some(Stco::default()), ..Stbl::default() }
}

pub(super) fn put_box(kind: &[u8; 4], out: &mut BytesMut, body: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_u32(0);
    out.put_slice(kind);
    body(out);
    let size = (out.len() - start) as u32;
    out[start..start + 4].copy_from_slice(&size.to_be_bytes());
}

/// What a decoder of the track has to know.
pub(super) fn sample_entry(format: &TrackFormat) -> Codec {
    match format {
        TrackFormat::Video { config, sps } => Codec::Avc1(avc_entry(config, sps)),
        TrackFormat::Audio { config, data } => Codec::Mp4a(Mp4a {
            audio: Audio {
                data_reference_index: 1,
                channel_count: u16::from(config.channels),
                sample_size: 16,
                // 16.16 has no room for rates above 65535; readers take the AudioSpecificConfig's
                sample_rate: u16::try_from(config.sample_rate).unwrap_or(0).into(),
            },
            esds: esds::Esds {
                es_desc: esds::EsDescriptor {
                    dec_config: esds::DecoderConfig {
                        object_type_indication: 0x40,
                        stream_type: 0x05,
                        dec_specific: Some(esds::DecoderSpecific {
                            raw: data.to_vec(),
                            ..Default::default()
                        }),
                        ..esds::DecoderConfig::default()
                    },
                    ..esds::EsDescriptor::default()
                },
            },
            btrt: None,
            taic: None,
        }),
    }
}

fn avc_entry(config: &AvcConfig, sps: &Sps) -> Avc1 {
    let (h_spacing, v_spacing) = sps.pixel_aspect;
    Avc1 {
        visual: Visual {
            data_reference_index: 1,
            width: sps.width as u16,
            height: sps.height as u16,
            ..Visual::default()
        },
        avcc: avcc(config),
        pasp: (h_spacing != v_spacing).then_some(Pasp { h_spacing, v_spacing }),
        ..Avc1::default()
    }
}

/// A configuration whose extension is garbled goes without it: decoders take these values from the SPS.
fn avcc(config: &AvcConfig) -> Avcc {
    let read = |config: &AvcConfig| {
        let body = config.to_bytes();
        let mut boxed = BytesMut::with_capacity(body.len() + 8);
        boxed.extend_from_slice(&(body.len() as u32 + 8).to_be_bytes());
        boxed.extend_from_slice(b"avcC");
        boxed.extend_from_slice(&body);
        Avcc::decode(&mut &boxed[..])
    };
    read(config).unwrap_or_else(|_| {
        let plain = AvcConfig { extension: Bytes::new(), ..config.clone() };
        read(&plain).expect("a record that was parsed is written well")
    })
}
