//! The contract between box, panel and cloud, with golden bytes per version.
//!
//! With the feature `std`: the topics and JSON payloads of MQTT, version 1. The contract only grows: fields are added,
//! never renamed, removed or given another meaning. A reader ignores fields it does not know, with two exceptions that
//! have an outcome of their own: an unknown command or argument is rejected ([`command::Rejection`]), and unknown keys of
//! a desired state are named in `reported` (code 206).
#![cfg_attr(not(feature = "std"), no_std)]

#[cfg(feature = "std")]
pub mod command;
#[cfg(feature = "std")]
pub mod configured;
#[cfg(feature = "std")]
pub mod desired;
#[cfg(feature = "std")]
pub mod event;
#[cfg(feature = "std")]
pub mod id;
#[cfg(feature = "std")]
pub mod logs;
#[cfg(feature = "std")]
pub mod machine;
pub mod panel;
#[cfg(feature = "std")]
pub mod payload;
#[cfg(feature = "std")]
pub mod preflight;
#[cfg(feature = "std")]
pub mod status;
#[cfg(feature = "std")]
pub mod telemetry;
#[cfg(feature = "std")]
pub mod timestamp;
#[cfg(feature = "std")]
pub mod topic;

#[cfg(feature = "std")]
pub use {
    command::{Command, CommandEnvelope, CommandResponse, Origin, Outcome, ResponseStatus},
    configured::{ConfigProblem, ReportedConfig},
    desired::{BoxState, Desired, DesiredState, Reported},
    event::{Ack, BoxEvent, EventBody, HealingStep},
    id::{BootId, BoxId, CommandId, OutboxId},
    logs::{LogLevel, LogPiece},
    preflight::Preflight,
    status::{Presence, Status},
    telemetry::{BoxStatus, OutputRole, Telemetry},
    timestamp::Timestamp,
    topic::{BoxTopic, TopicKind},
};
