//! The connection below RTMP: TCP with small buffers, and TLS over it.

use std::io;
use std::time::Duration;

use rustls::pki_types::ServerName;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Target;
use crate::trust;

/// What was sent and is not acknowledged by the peer's kernel after this time ends the connection.
const USER_TIMEOUT: Duration = Duration::from_secs(8);
/// Unsent bytes with which the kernel asks for more: the rest waits where it can still be dropped.
const NOTSENT_LOWAT: u32 = 32 * 1024;
const LEAST_SEND_BUFFER: usize = 64 * 1024;
const MOST_SEND_BUFFER: usize = 1024 * 1024;

/// A connection to a server, whatever it is made of.
pub(super) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// Connects; `second_bytes` is about a second of the stream.
pub(super) async fn connect(target: &Target, second_bytes: u32) -> io::Result<Box<dyn Transport>> {
    let tcp = TcpStream::connect((target.host.as_str(), target.port)).await?;
    tcp.set_nodelay(true)?;
    let socket = SockRef::from(&tcp);
    // What is in the kernel cannot be dropped any more: half a second, which Linux doubles.
    let buffer = (second_bytes as usize / 2).clamp(LEAST_SEND_BUFFER, MOST_SEND_BUFFER);
    socket.set_send_buffer_size(buffer)?;
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    socket.set_tcp_notsent_lowat(NOTSENT_LOWAT)?;
    if !target.tls {
        return Ok(Box::new(tcp));
    }
    let name = ServerName::try_from(target.host.clone())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let connector = TlsConnector::from(target.trust.client_config()?);
    Ok(Box::new(connector.connect(name, tcp).await?))
}

/// What went wrong, for the person at the box.
pub(super) fn describe(error: &io::Error, target: &Target) -> String {
    let Target { host, port, .. } = target;
    match error.kind() {
        io::ErrorKind::ConnectionRefused => format!("nothing accepts connections at {host}:{port}"),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => {
            "the server closed the connection".to_owned()
        }
        io::ErrorKind::TimedOut => "the line is dead: nothing sent arrives".to_owned(),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            format!("there is no way to {host}: check the network")
        }
        io::ErrorKind::InvalidData if target.tls => {
            format!("TLS with {host}:{port} failed: {}", describe_tls(error))
        }
        _ => format!("connection to {host}:{port}: {error}"),
    }
}

fn describe_tls(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    inner.and_then(trust::describe).map_or_else(|| error.to_string(), str::to_owned)
}
