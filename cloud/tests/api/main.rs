//! The API through real sockets, against a server of its own for each test.
#![allow(clippy::unwrap_used, reason = "tests: what cannot be had fails them")]
#![allow(clippy::disallowed_methods, reason = "tests: they wait for what happens on sockets")]

mod access;
mod alarms;
mod browse;
mod document;
mod events;
mod hook;
mod http;
mod include_files;
mod items;
mod jobs;
mod pages;
mod process;
mod retention;
mod server;
mod session;
mod settings;
mod stream;
mod tls;
