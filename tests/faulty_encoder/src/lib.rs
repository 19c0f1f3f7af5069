//! A GStreamer plugin with a `vah264enc` that is `x264enc` inside and fails as a driver does.
//!
//! `FAULTY_ENCODER` names a file, which is read whenever the element starts:
//!
//! | the file has | what the element does |
//! |---|---|
//! | `ends 60` | an error after 60 pictures, as after a reset of the device |
//! | `hangs 60` | takes pictures and gives none after 60 |
//! | `crashes 60` | takes the process along after 60 |
//! | anything else, or is not there | it works |
#![allow(unsafe_code, reason = "a plugin is looked up by symbols that C reads")]

mod element;

use element::register;
use gstreamer as gst;

gst::plugin_define!(
    stagebox_faulty_encoder,
    env!("CARGO_PKG_DESCRIPTION"),
    register,
    env!("CARGO_PKG_VERSION"),
    "MIT/X11",
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    "https://localhost/stagebox",
    "2026-11-29"
);
