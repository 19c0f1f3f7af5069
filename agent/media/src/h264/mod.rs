//! H.264 headers: parameter sets, NAL units, and the epoch that a box stamps into its pictures.

mod config;
mod epoch;
mod nal;
mod sps;

use thiserror::Error;

pub use config::AvcConfig;
pub use epoch::{read_epoch, write_epoch};
pub use nal::{
    Nal, NalKind, annex_b_nals, annex_b_to_avcc, avcc_nals, avcc_to_annex_b, contains_idr, is_whole, mend,
    widen_lengths,
};
pub use sps::Sps;

/// Why H.264 headers cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum H264Error {
    #[error("{0} ends early")]
    TooShort(&'static str),
    #[error("avcC version {0} is not 1")]
    Version(u8),
    #[error("avcC has no {0}")]
    Missing(&'static str),
    #[error("NAL length fields of {0} bytes are not supported")]
    LengthSize(u8),
    #[error("SPS field {field} is out of range: {value}")]
    OutOfRange { field: &'static str, value: u64 },
    #[error("parameter set of {0} bytes is too long")]
    TooLong(usize),
}

#[cfg(test)]
mod tests;
