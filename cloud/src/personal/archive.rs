//! Files as one ZIP archive.

use super::PersonalError;
use std::io::{Cursor, Write as _};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Largest archive: it is kept in the store.
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// A file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) name: &'static str,
    pub(crate) text: String,
}

pub(super) fn pack(files: Vec<File>) -> Result<Vec<u8>, PersonalError> {
    let wrong = |error: String| PersonalError::Archive(error);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options =
        SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).unix_permissions(0o600);
    for file in files {
        zip.start_file(file.name, options).map_err(|error| wrong(error.to_string()))?;
        zip.write_all(file.text.as_bytes()).map_err(|error| wrong(error.to_string()))?;
    }
    let bytes = zip.finish().map_err(|error| wrong(error.to_string()))?.into_inner();
    if bytes.len() > MAX_BYTES {
        return Err(wrong(format!("it has {} bytes, {MAX_BYTES} is the limit", bytes.len())));
    }
    Ok(bytes)
}
