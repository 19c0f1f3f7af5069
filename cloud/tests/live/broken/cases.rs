//! Streams as broken encoders send them: each a file that ffmpeg made, with its tags changed in one way.

use std::process::Command;

use stagebox_media::h264::AvcConfig;

use super::flv::{Tag, read};

/// Pictures in each file but where a case says otherwise: ten seconds of 15.
pub(super) const PICTURES: usize = 150;
/// Packets of sound in ten seconds of 48 kHz, but for the encoder's first and last.
pub(super) const SOUNDS: usize = 450;
/// Segments of two seconds and parts of half a one that are listed at the end, at least.
const LISTED: usize = 8;
/// How long the files are.
pub(super) const SECONDS: u32 = 10;

/// A broken stream, and what is to come of it.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) tags: Vec<Tag>,
    /// How many pictures come out: all that can be decoded.
    pub(super) pictures: usize,
    /// How many packets of sound come out at least.
    pub(super) sounds: usize,
    /// In how many stretches, each of which a decoder plays without being told anything new.
    pub(super) runs: usize,
    /// What the user reads.
    pub(super) warnings: &'static [(&'static str, &'static str)],
    /// Rules that what is served of such a stream cannot keep.
    pub(super) breaks: &'static [&'static str],
    /// How many segments and parts are listed at the end, at least.
    pub(super) listed: usize,
}

/// Ten seconds of a test picture at 15 a second with B frames, and a tone, as ffmpeg writes them to an FLV file.
fn footage(size: &str, gop: u32, rate: u32) -> Vec<Tag> {
    let video = format!("testsrc2=size={size}:rate=15:duration={SECONDS}");
    let audio = format!("sine=frequency=440:sample_rate={rate}:duration={SECONDS}");
    let gop = gop.to_string();
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", &video, "-f", "lavfi", "-i", &audio])
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-crf", "35", "-bf", "2", "-pix_fmt", "yuv420p"])
        .args(["-g", &gop, "-keyint_min", &gop, "-sc_threshold", "0"])
        .args(["-c:a", "aac", "-ac", "2", "-f", "flv", "-"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // What ends the tracks would be no end in the midst of another file.
    read(&output.stdout).into_iter().filter(|tag| !(tag.is_video() && tag.data.get(1) == Some(&2))).collect()
}

/// Changes the tags; the number given with each counts the pictures.
fn each(tags: &[Tag], mut change: impl FnMut(usize, Tag) -> Vec<Tag>) -> Vec<Tag> {
    let mut pictures = 0;
    let all = tags.iter().flat_map(|tag| {
        let changed = change(pictures, tag.clone());
        pictures += usize::from(tag.is_picture());
        changed
    });
    all.collect()
}

fn later(tags: &[Tag], by_ms: u32) -> Vec<Tag> {
    each(tags, |_, tag| vec![Tag { time_ms: tag.time_ms.wrapping_add(by_ms), ..tag }])
}

/// From five seconds on, all times are later by so much.
fn leaps(tags: &[Tag], by_ms: u32) -> Vec<Tag> {
    let leapt = |tag: &Tag| tag.time_ms.wrapping_add(if tag.time_ms >= 5_000 { by_ms } else { 0 });
    each(tags, |_, tag| vec![Tag { time_ms: leapt(&tag), ..tag }])
}

/// The files, from good ones.
#[allow(clippy::too_many_lines, reason = "a list")]
pub(super) fn all() -> Vec<Case> {
    let good = &footage("320x180", 30, 48_000);
    let large = &footage("640x360", 30, 44_100);
    let rare = footage("320x180", 150, 48_000);
    let header =
        |tags: &[Tag], is: fn(&Tag) -> bool| tags.iter().find(|tag| is(tag) && tag.is_header()).cloned();
    let (picture_header, sound_header) =
        (header(good, Tag::is_video).unwrap(), header(good, Tag::is_audio).unwrap());
    let case = |name, tags, warnings| Case {
        name,
        tags,
        pictures: PICTURES,
        sounds: SOUNDS,
        runs: 1,
        warnings,
        breaks: &[],
        listed: LISTED,
    };
    let is_video_header = |tag: &Tag| tag.is_video() && tag.is_header();
    let is_audio_header = |tag: &Tag| tag.is_audio() && tag.is_header();
    let jump = &[("times_jump", "the times in the stream jump")][..];
    let repeat = &[("times_repeat", "the time of the one before")][..];
    let broken = &[("stream_broken", "come broken and are left out")][..];

    vec![
        case("time leaps an hour ahead", leaps(good, 3_600_000), jump),
        case("time leaps back", leaps(good, 4_000_u32.wrapping_neg()), jump),
        case(
            "a time of zero in the midst",
            each(good, |number, tag| {
                let is_zero = (number == 80 && tag.is_picture()) || (tag.is_audio() && number == 95);
                vec![Tag { time_ms: if is_zero { 0 } else { tag.time_ms }, ..tag }]
            }),
            jump,
        ),
        Case {
            // The step back to the true time is no usual one.
            breaks: &["part-long-enough"],
            ..case(
                "times repeat",
                each(good, |number, tag| {
                    // The third to fifth picture of each second have the second's time.
                    let back = if tag.is_picture() {
                        [0, 0, 1, 2, 3].get(number % 15).map_or(0, |n| n * 67)
                    } else {
                        0
                    };
                    vec![Tag { time_ms: tag.time_ms - back, ..tag }]
                }),
                repeat,
            )
        },
        case(
            "times fall by a picture",
            each(good, |number, tag| {
                // Two in each second have changed their times.
                let by = match number % 15 {
                    7 => 67,
                    8 => u32::wrapping_neg(67),
                    _ => 0,
                };
                let by = if tag.is_picture() { by } else { 0 };
                vec![Tag { time_ms: tag.time_ms.wrapping_add(by), ..tag }]
            }),
            repeat,
        ),
        Case {
            sounds: 430,
            // Pictures and sound are as far apart as they came, which may be in bursts.
            breaks: &["part-long-enough", "part-within-target", "decode-time-continues"],
            ..case(
                "the clock stands",
                each(good, |_, tag| vec![Tag { time_ms: tag.time_ms.min(4_000), ..tag }]),
                repeat,
            )
        },
        case("time passes 32 bits", later(good, 4_000_u32.wrapping_neg()), &[]),
        case("time passes 24 bits", later(good, 0xFF_FFFF - 4_000), &[]),
        case(
            "B frames without composition times",
            each(good, |_, mut tag| {
                if tag.is_picture() {
                    tag.data[2..5].fill(0);
                }
                vec![tag]
            }),
            &[("composition_times_missing", "switch B frames off in your encoder")],
        ),
        Case {
            pictures: PICTURES - 60,
            runs: 2,
            // The sound goes further back than the picture.
            breaks: &["same-content", "discontinuities-alike"],
            ..case(
                "the picture's header comes after four seconds",
                each(good, |number, tag| match number {
                    60 if tag.is_picture() => {
                        vec![Tag { time_ms: tag.time_ms, ..picture_header.clone() }, tag]
                    }
                    _ if is_video_header(&tag) => Vec::new(),
                    _ => vec![tag],
                }),
                &[("header_missing", "pictures come without a header")],
            )
        },
        case(
            "the picture's header stands in the key frames",
            each(good, |_, mut tag| {
                if is_video_header(&tag) {
                    return Vec::new();
                }
                if tag.is_picture() && tag.data[0] == 0x17 {
                    tag.data.splice(5..5, within(&picture_header.data[5..]));
                }
                vec![tag]
            }),
            &[],
        ),
        Case {
            sounds: 0,
            ..case(
                "the sound's header is missing",
                each(good, |_, tag| if is_audio_header(&tag) { Vec::new() } else { vec![tag] }),
                &[("header_missing", "sound comes without a header")],
            )
        },
        Case {
            sounds: 250,
            runs: 2,
            // The picture goes further back than the sound.
            breaks: &["same-content", "discontinuities-alike"],
            ..case(
                "the sound's header comes after four seconds",
                each(good, |number, tag| match number {
                    // In the midst of a group of pictures.
                    56 if tag.is_picture() => vec![Tag { time_ms: tag.time_ms, ..sound_header.clone() }, tag],
                    _ if is_audio_header(&tag) => Vec::new(),
                    _ => vec![tag],
                }),
                &[("header_missing", "sound comes without a header")],
            )
        },
        case(
            "headers that cannot be read come in between",
            each(good, |number, tag| {
                if number == 80 && tag.is_picture() {
                    let at = tag.time_ms;
                    let cut = Tag::video(at, &picture_header.data[..14]);
                    vec![Tag::video(at, &[0x17, 0, 0, 0, 0]), cut, Tag::audio(at, &[0xAF, 0]), tag]
                } else {
                    vec![tag]
                }
            }),
            broken,
        ),
        Case {
            runs: 2,
            ..case(
                "the picture's size changes",
                {
                    let large_from_four = later(large, 4_000);
                    let large_pictures =
                        large_from_four.iter().filter(|tag| tag.is_video() && tag.time_ms < 10_000);
                    let sound = good.iter().filter(|tag| !tag.is_video());
                    let small = good.iter().filter(|tag| tag.is_video() && tag.time_ms < 4_000);
                    interleaved(small.chain(sound).chain(large_pictures))
                },
                &[("size_changed", "from 320×180 to 640×360")],
            )
        },
        Case {
            runs: 2,
            ..case(
                "another size stands in the key frames only",
                {
                    let large_header = header(large, Tag::is_video).unwrap();
                    let large_from_four = each(&later(large, 4_000), |_, mut tag| {
                        if tag.is_picture() && tag.data[0] == 0x17 {
                            tag.data.splice(5..5, within(&large_header.data[5..]));
                        }
                        if is_video_header(&tag) { Vec::new() } else { vec![tag] }
                    });
                    let large_pictures =
                        large_from_four.iter().filter(|tag| tag.is_video() && tag.time_ms < 10_000);
                    let sound = good.iter().filter(|tag| !tag.is_video());
                    let small = good.iter().filter(|tag| tag.is_video() && tag.time_ms < 4_000);
                    interleaved(small.chain(sound).chain(large_pictures))
                },
                &[("size_changed", "from 320×180 to 640×360")],
            )
        },
        Case {
            sounds: 380,
            runs: 2,
            // There is no sound until the next key frame.
            breaks: &["duration-true", "parts-make-the-segment", "same-content"],
            ..case(
                "the sound changes to 44.1 kHz",
                {
                    let first = good.iter().filter(|tag| tag.is_video() || tag.time_ms < 5_000);
                    let mut changed: Vec<Tag> =
                        large.iter().filter(|tag| is_audio_header(tag)).cloned().collect();
                    changed.iter_mut().for_each(|tag| tag.time_ms = 5_000);
                    let then =
                        large.iter().filter(|tag| tag.is_audio() && !tag.is_header() && tag.time_ms >= 5_000);
                    interleaved(first.chain(&changed).chain(then))
                },
                &[("sound_changed", "from 48 kHz stereo to 44.1 kHz stereo")],
            )
        },
        Case {
            sounds: 0,
            ..case(
                "no sound",
                each(good, |_, tag| if tag.is_audio() { Vec::new() } else { vec![tag] }),
                &[("no_sound", "there is no sound track")],
            )
        },
        Case {
            pictures: 0,
            ..case(
                "nothing but sound",
                each(good, |_, tag| if tag.is_video() { Vec::new() } else { vec![tag] }),
                &[("no_picture", "only sound arrives")],
            )
        },
        Case {
            // How long segments are is known once the first one is over.
            listed: 0,
            ..case(
                "key frames ten seconds apart",
                rare,
                &[("key_frames_far_apart", "set 2 s in your encoder")],
            )
        },
        case(
            "garbage between the pictures",
            each(good, |number, mut tag| {
                if !tag.is_picture() {
                    return vec![tag];
                }
                let at = tag.time_ms;
                let noise: Vec<u8> = (0..400_u32).map(|n| (n * n * 7 + number as u32) as u8).collect();
                let unit = |length: u32| [&[0x27, 1, 0, 0, 0][..], &length.to_be_bytes(), &noise].concat();
                match number % 20 {
                    // Beyond the end, nothing but noise, and a whole picture with the beginning of another unit.
                    3 => vec![tag, Tag::video(at, &unit(0x7FFF_FFFF))],
                    9 => vec![tag, Tag::video(at, &[&[0x27, 1, 0, 0, 0][..], &noise].concat())],
                    14 => {
                        tag.data.extend([0, 0, 0, 0, 0, 0, 4, 0, 0x41, 7]);
                        vec![tag]
                    }
                    _ => vec![tag],
                }
            }),
            broken,
        ),
        case(
            "tags with nothing in them",
            each(good, |number, tag| {
                if !tag.is_picture() || number % 10 != 4 {
                    return vec![tag];
                }
                let at = tag.time_ms;
                let empty = [&[][..], &[0x27], &[0x27, 1], &[0x27, 1, 0, 0, 0], &[0x57, 0]];
                let pictures = empty.map(|data| Tag::video(at, data));
                let sounds = [&[][..], &[0xAF], &[0xAF, 1]].map(|data| Tag::audio(at, data));
                [&pictures[..], &[tag], &sounds].concat()
            }),
            broken,
        ),
        case(
            "no description",
            each(good, |_, tag| if tag.is_script() { Vec::new() } else { vec![tag] }),
            &[],
        ),
        case(
            "a description of 200 kB",
            each(good, |number, tag| {
                let is_there = tag.is_script() || (number == 70 && tag.is_picture());
                if is_there { vec![description(tag.time_ms), tag] } else { vec![tag] }
            }),
            &[],
        ),
    ]
}

/// The parameter sets of a header as units with lengths (ISO/IEC 14496-15, 5.3.3.1).
fn within(header: &[u8]) -> Vec<u8> {
    let config = AvcConfig::parse(&bytes::Bytes::copy_from_slice(header)).unwrap();
    let sets = config.sps.iter().chain(&config.pps);
    sets.flat_map(|set| [&(set.len() as u32).to_be_bytes()[..], set].concat()).collect()
}

/// In the order of their times; headers before the frames of the same time.
fn interleaved<'a>(tags: impl Iterator<Item = &'a Tag>) -> Vec<Tag> {
    let mut tags: Vec<Tag> = tags.cloned().collect();
    tags.sort_by_key(|tag| (tag.time_ms, !tag.is_header()));
    tags
}

/// onMetaData of one very long text (AMF0: a string, an object, a long string, its end).
fn description(time_ms: u32) -> Tag {
    let text = vec![b'x'; 200_000];
    let name = [&[2, 0, 10][..], b"onMetaData", &[3, 0, 7], b"encoder", &[12]].concat();
    let data = [&name[..], &(text.len() as u32).to_be_bytes(), &text, &[0, 0, 9]].concat();
    Tag::script(time_ms, data)
}
