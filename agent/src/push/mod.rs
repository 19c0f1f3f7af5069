//! RTMP outputs: encoded frames to a main and a backup server.
