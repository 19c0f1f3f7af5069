//! FLV files, tag by tag (Adobe's "Video File Format" 10.1, annex E).

const AUDIO: u8 = 8;
const VIDEO: u8 = 9;
const SCRIPT: u8 = 18;
/// Signature, version 1, both tracks, and the size of the tag before the first.
const HEADER: [u8; 13] = [b'F', b'L', b'V', 1, 5, 0, 0, 0, 9, 0, 0, 0, 0];
const TAG_HEADER: usize = 11;

/// One tag of a file, which is one message to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) kind: u8,
    pub(super) time_ms: u32,
    pub(super) data: Vec<u8>,
}

impl Tag {
    pub(super) fn video(time_ms: u32, data: &[u8]) -> Self {
        Self { kind: VIDEO, time_ms, data: data.to_vec() }
    }

    pub(super) fn audio(time_ms: u32, data: &[u8]) -> Self {
        Self { kind: AUDIO, time_ms, data: data.to_vec() }
    }

    pub(super) fn script(time_ms: u32, data: Vec<u8>) -> Self {
        Self { kind: SCRIPT, time_ms, data }
    }

    pub(super) fn is_video(&self) -> bool {
        self.kind == VIDEO
    }

    pub(super) fn is_audio(&self) -> bool {
        self.kind == AUDIO
    }

    pub(super) fn is_script(&self) -> bool {
        self.kind == SCRIPT
    }

    /// A track's configuration, by the packet type (E.4.2.1, E.4.3.1).
    pub(super) fn is_header(&self) -> bool {
        !self.is_script() && self.data.get(1) == Some(&0)
    }

    pub(super) fn is_picture(&self) -> bool {
        self.is_video() && self.data.get(1) == Some(&1)
    }
}

/// The tags of a file.
pub(super) fn read(file: &[u8]) -> Vec<Tag> {
    let mut tags = Vec::new();
    let mut rest = &file[HEADER.len()..];
    while let Some((header, body)) = rest.split_first_chunk::<TAG_HEADER>() {
        let [kind, l0, l1, l2, t0, t1, t2, t3, ..] = *header;
        let (data, after) = body.split_at(u32::from_be_bytes([0, l0, l1, l2]) as usize);
        // The fourth byte is the highest.
        let time_ms = u32::from_be_bytes([t3, t0, t1, t2]);
        tags.push(Tag { kind, time_ms, data: data.to_vec() });
        rest = &after[4..];
    }
    tags
}

/// A file of tags.
pub(super) fn write(tags: &[Tag]) -> Vec<u8> {
    let mut file = HEADER.to_vec();
    for tag in tags {
        let length = tag.data.len() as u32;
        let [t3, t0, t1, t2] = tag.time_ms.to_be_bytes();
        file.push(tag.kind);
        file.extend(&length.to_be_bytes()[1..]);
        file.extend([t0, t1, t2, t3, 0, 0, 0]);
        file.extend(&tag.data);
        file.extend((length + TAG_HEADER as u32).to_be_bytes());
    }
    file
}

#[test]
fn what_was_written_is_read() {
    let tags = [Tag::video(0xFEDC_BA98, &[0x17, 1, 9]), Tag::audio(7, &[]), Tag::script(0, vec![2; 70_000])];
    let file = write(&tags);
    assert_eq!(read(&file), tags);
    assert_eq!(&file[13..24], [9, 0, 0, 3, 0xDC, 0xBA, 0x98, 0xFE, 0, 0, 0]);
}
