//! The box's daemon: capture, encode, record, push, MQTT and panel.

pub mod anew;
pub mod capture;
pub mod clock;
pub mod config;
pub mod control;
pub mod daemon;
pub mod durable;
pub mod encode;
pub mod healing;
pub mod link;
pub mod logs;
pub mod machine;
mod network;
pub mod panel;
pub mod preflight;
pub mod probe;
pub mod push;
pub mod reconfigure;
pub mod record;
pub mod trust;
