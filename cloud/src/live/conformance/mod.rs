//! Tells every rule of RFC 8216bis and of Apple's authoring specification that a stream's playlists break.
//!
//! [`Checker`] is given the texts of playlists as a player would fetch them, and facts on media
//! files, over time. It reads them with a strict parser of its own, keeps what it needs of them
//! within bounds, and gives back [`Finding`]s. It has no clock and no I/O: times are arguments.
//!
//! A rule that can only be judged with earlier knowledge stays silent without it, and where the
//! specifications leave a server freedom nothing is said: what is found is wrong.
//!
//! Section numbers of RFC 8216bis are those of draft-pantos-hls-rfc8216bis-22, those of the
//! "HLS Authoring Specification for Apple Devices" those of its general requirements.

mod across;
mod attributes;
mod bandwidth;
mod checker;
mod content;
mod date;
mod delta;
mod edge;
mod files;
mod header_parser;
mod history;
mod master;
mod master_parser;
mod media;
mod media_parser;
mod media_rules;
mod metadata_parser;
mod name;
mod number;
mod parts;
mod renditions;
mod report;
mod reports;
mod rule;
mod text;
mod update;
mod version;

pub(crate) use checker::Checker;
pub(crate) use files::{FileFacts, TrackFacts, TrackKind};
pub(crate) use name::name_of;
pub(crate) use report::Finding;
pub(crate) use rule::{Severity, rules};

#[cfg(test)]
mod tests;
