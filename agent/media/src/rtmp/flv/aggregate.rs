//! Aggregate messages: several tags in one (RTMP 7.1.6).

use bytes::{Buf, Bytes};

use super::super::chunk::Message;

/// What is left of an aggregate message.
#[derive(Debug)]
pub(in super::super) struct Aggregate {
    rest: Bytes,
    stream_id: u32,
    timestamp: u32,
    /// The first tag's own timestamp; the others count from it.
    first: Option<u32>,
}

impl Aggregate {
    pub(in super::super) fn new(message: Message) -> Self {
        Self {
            rest: message.payload,
            stream_id: message.stream_id,
            timestamp: message.timestamp,
            first: None,
        }
    }
}

impl Iterator for Aggregate {
    type Item = Message;

    /// The next tag as a message of its own; a tag cut off ends the list.
    fn next(&mut self) -> Option<Message> {
        let type_id = self.rest.try_get_u8().ok()?;
        let length = self.rest.try_get_uint(3).ok()? as usize;
        let low = self.rest.try_get_uint(3).ok()? as u32;
        let high = self.rest.try_get_u8().ok()?;
        self.rest.try_get_uint(3).ok()?;
        if length > self.rest.len() {
            return None;
        }
        let payload = self.rest.split_to(length);
        // The size of the tag before, which nobody needs.
        self.rest.advance(self.rest.len().min(4));
        let time = u32::from(high) << 24 | low;
        let offset = time.wrapping_sub(*self.first.get_or_insert(time));
        let timestamp = self.timestamp.wrapping_add(offset);
        Some(Message { type_id, stream_id: self.stream_id, timestamp, payload })
    }
}
