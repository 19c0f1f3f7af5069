//! The front panel's socket.
