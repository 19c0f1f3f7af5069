//! The recorder: encoded frames to files on the box.
