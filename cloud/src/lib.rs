//! Stagebox's cloud: boxes push to it, events go live in it, viewers watch from it.

pub mod access;
pub mod account;
pub mod alarm;
pub mod app;
pub mod broker;
mod browse;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod control;
pub mod device;
pub mod event;
pub mod feed;
pub mod hook;
pub mod http;
pub mod id;
pub mod include;
pub mod ingest;
pub mod item;
pub mod job;
pub mod live;
pub mod media;
pub mod openapi;
pub mod outbound;
pub mod player;
pub mod recording;
pub mod secret;
pub mod serve;
pub mod settings;
pub mod store;
pub mod tenant;
pub mod tls;
pub mod transcode;
pub mod viewing;

pub use app::{App, StartError};
pub use config::Config;
