//! The whole house as real processes on loopback: real media, real sockets, real files.
