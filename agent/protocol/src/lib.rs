//! What box, panel and cloud say to each other, with golden bytes per version.

#![cfg_attr(not(feature = "std"), no_std)]

pub mod panel;
