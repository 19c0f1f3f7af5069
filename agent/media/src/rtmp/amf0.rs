//! AMF0, the coding of RTMP's commands and metadata ("Action Message Format -- AMF 0").

use bytes::{BufMut, BytesMut};

#[cfg(test)]
mod tests;

/// One value; objects keep the order of their properties.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Number(f64),
    Boolean(bool),
    String(String),
    Object(Vec<(String, Value)>),
    EcmaArray(Vec<(String, Value)>),
    StrictArray(Vec<Value>),
    /// Milliseconds since 1970, UTC; the time zone that AMF0 reserves is not kept.
    Date(f64),
    Null,
    Undefined,
}

impl Value {
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    #[must_use]
    pub fn as_number(&self) -> Option<f64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    /// A property of an object or of an associative array.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        let (Self::Object(properties) | Self::EcmaArray(properties)) = self else { return None };
        properties.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

/// An object of the given properties.
#[must_use]
pub fn object<const N: usize>(properties: [(&str, Value); N]) -> Value {
    Value::Object(properties.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// Why bytes are no AMF0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Amf0Error {
    #[error("AMF0 ends in the middle of a value")]
    Truncated,
    #[error("AMF0 type {0} is not supported")]
    Marker(u8),
    #[error("AMF0 nested deeper than {0} levels")]
    TooDeep(usize),
    #[error("AMF0 of more than {0} values")]
    TooMany(usize),
}

mod marker {
    pub(super) const NUMBER: u8 = 0;
    pub(super) const BOOLEAN: u8 = 1;
    pub(super) const STRING: u8 = 2;
    pub(super) const OBJECT: u8 = 3;
    pub(super) const NULL: u8 = 5;
    pub(super) const UNDEFINED: u8 = 6;
    pub(super) const ECMA_ARRAY: u8 = 8;
    pub(super) const OBJECT_END: u8 = 9;
    pub(super) const STRICT_ARRAY: u8 = 10;
    pub(super) const DATE: u8 = 11;
    pub(super) const LONG_STRING: u8 = 12;
    pub(super) const UNSUPPORTED: u8 = 13;
    pub(super) const XML_DOCUMENT: u8 = 15;
    pub(super) const TYPED_OBJECT: u8 = 16;
}

/// Reads values one after the other, within bounds.
#[derive(Debug)]
pub struct Decoder<'a> {
    data: &'a [u8],
    max_depth: usize,
    max_values: usize,
    values: usize,
}

impl<'a> Decoder<'a> {
    #[must_use]
    pub fn new(data: &'a [u8], max_depth: usize, max_values: usize) -> Self {
        Self { data, max_depth, max_values, values: 0 }
    }

    /// The next value, or `None` at the end of the data.
    ///
    /// # Errors
    /// When the data is no AMF0, or beyond the bounds given.
    pub fn next_value(&mut self) -> Result<Option<Value>, Amf0Error> {
        if self.data.is_empty() { Ok(None) } else { self.value(0).map(Some) }
    }

    fn value(&mut self, depth: usize) -> Result<Value, Amf0Error> {
        if depth > self.max_depth {
            return Err(Amf0Error::TooDeep(self.max_depth));
        }
        self.values += 1;
        if self.values > self.max_values {
            return Err(Amf0Error::TooMany(self.max_values));
        }
        Ok(match self.byte()? {
            marker::NUMBER => Value::Number(self.number()?),
            marker::BOOLEAN => Value::Boolean(self.byte()? != 0),
            marker::STRING => {
                let length = self.length16()?;
                Value::String(self.text(length)?)
            }
            marker::LONG_STRING | marker::XML_DOCUMENT => {
                let length = self.length32()?;
                Value::String(self.text(length)?)
            }
            marker::OBJECT => Value::Object(self.properties(depth)?),
            marker::TYPED_OBJECT => {
                let length = self.length16()?;
                self.take(length)?;
                Value::Object(self.properties(depth)?)
            }
            marker::ECMA_ARRAY => {
                // The count is a hint that encoders leave at 0; the end marker counts.
                self.length32()?;
                Value::EcmaArray(self.properties(depth)?)
            }
            marker::STRICT_ARRAY => {
                let count = self.length32()?;
                let mut items = Vec::new();
                for _ in 0..count {
                    items.push(self.value(depth + 1)?);
                }
                Value::StrictArray(items)
            }
            marker::DATE => {
                let ms = self.number()?;
                self.take(2)?;
                Value::Date(ms)
            }
            marker::NULL => Value::Null,
            marker::UNDEFINED | marker::UNSUPPORTED => Value::Undefined,
            other => return Err(Amf0Error::Marker(other)),
        })
    }

    fn properties(&mut self, depth: usize) -> Result<Vec<(String, Value)>, Amf0Error> {
        let mut properties = Vec::new();
        loop {
            // Some encoders leave the last end marker out.
            if self.data.is_empty() {
                return Ok(properties);
            }
            let length = self.length16()?;
            if length == 0 && self.data.first() == Some(&marker::OBJECT_END) {
                self.data = &self.data[1..];
                return Ok(properties);
            }
            let key = self.text(length)?;
            properties.push((key, self.value(depth + 1)?));
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Amf0Error> {
        let (taken, rest) = self.data.split_at_checked(length).ok_or(Amf0Error::Truncated)?;
        self.data = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Amf0Error> {
        let (taken, rest) = self.data.split_first_chunk::<N>().ok_or(Amf0Error::Truncated)?;
        self.data = rest;
        Ok(*taken)
    }

    fn byte(&mut self) -> Result<u8, Amf0Error> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn number(&mut self) -> Result<f64, Amf0Error> {
        self.array().map(f64::from_be_bytes)
    }

    fn length16(&mut self) -> Result<usize, Amf0Error> {
        self.array().map(|bytes| usize::from(u16::from_be_bytes(bytes)))
    }

    fn length32(&mut self) -> Result<usize, Amf0Error> {
        self.array().map(|bytes| u32::from_be_bytes(bytes) as usize)
    }

    fn text(&mut self, length: usize) -> Result<String, Amf0Error> {
        self.take(length).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }
}

/// Appends a value's coding to `out`.
pub fn encode(value: &Value, out: &mut BytesMut) {
    match value {
        Value::Number(number) => {
            out.put_u8(marker::NUMBER);
            out.put_f64(*number);
        }
        Value::Boolean(boolean) => out.put_slice(&[marker::BOOLEAN, u8::from(*boolean)]),
        Value::String(text) => encode_string(text, out),
        Value::Object(properties) => {
            out.put_u8(marker::OBJECT);
            encode_properties(properties, out);
        }
        Value::EcmaArray(properties) => {
            out.put_u8(marker::ECMA_ARRAY);
            out.put_u32(properties.len() as u32);
            encode_properties(properties, out);
        }
        Value::StrictArray(items) => {
            out.put_u8(marker::STRICT_ARRAY);
            out.put_u32(items.len() as u32);
            for item in items {
                encode(item, out);
            }
        }
        Value::Date(ms) => {
            out.put_u8(marker::DATE);
            out.put_f64(*ms);
            out.put_u16(0);
        }
        Value::Null => out.put_u8(marker::NULL),
        Value::Undefined => out.put_u8(marker::UNDEFINED),
    }
}

fn encode_string(text: &str, out: &mut BytesMut) {
    if let Ok(length) = u16::try_from(text.len()) {
        out.put_u8(marker::STRING);
        out.put_u16(length);
    } else {
        out.put_u8(marker::LONG_STRING);
        out.put_u32(text.len() as u32);
    }
    out.put_slice(text.as_bytes());
}

fn encode_properties(properties: &[(String, Value)], out: &mut BytesMut) {
    for (key, value) in properties {
        // A key has 16 bits for its length; longer ones are cut where a character ends.
        let key = &key[..key.floor_char_boundary(usize::from(u16::MAX))];
        out.put_u16(key.len() as u16);
        out.put_slice(key.as_bytes());
        encode(value, out);
    }
    out.put_slice(&[0, 0, marker::OBJECT_END]);
}
