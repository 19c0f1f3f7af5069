//! Whether a server would take a connection: as far as one can know without publishing.

use std::io;

use bytes::BytesMut;
use stagebox_media::rtmp::{ClientConfig, ClientEvent, ClientSession};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{Target, Transport, transport};

/// Shakes hands and has the server accept the connection to the target's application; then it is left alone.
///
/// The server is told no stream key, so whether it takes the key is not known afterwards. Whoever calls gives it up when
/// it has lasted for too long; `seed` fills the handshake.
///
/// # Errors
/// Why not, in words for a person.
pub async fn knock(mut transport: Box<dyn Transport>, target: &Target, seed: u64) -> Result<(), String> {
    let mut session = ClientSession::new(ClientConfig {
        app: target.app().to_owned(),
        url: target.url().to_owned(),
        connect_only: true,
        seed,
        ..ClientConfig::default()
    });
    let broken = |error: io::Error| transport::describe(&error, target);
    let mut input = BytesMut::new();
    loop {
        let event = session.next(&mut input).map_err(|error| error.to_string())?;
        if !session.output().is_empty() {
            transport.write_all_buf(session.output()).await.map_err(broken)?;
            transport.flush().await.map_err(broken)?;
        }
        if event == Some(ClientEvent::Connected) {
            // A server that is left at once is no server that refused.
            let _ = transport.shutdown().await;
            return Ok(());
        }
        if event.is_none() && transport.read_buf(&mut input).await.map_err(broken)? == 0 {
            return Err(broken(io::ErrorKind::UnexpectedEof.into()));
        }
    }
}
