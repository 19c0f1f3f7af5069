//! The connection below RTMP: TCP with small buffers, and TLS over it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::Target;

/// What was sent and is not acknowledged by the peer's kernel after this time ends the connection.
const USER_TIMEOUT: Duration = Duration::from_secs(8);
/// Unsent bytes with which the kernel asks for more: the rest waits where it can still be dropped.
const NOTSENT_LOWAT: u32 = 32 * 1024;
const LEAST_SEND_BUFFER: usize = 64 * 1024;
const MOST_SEND_BUFFER: usize = 1024 * 1024;

/// A connection to a server, whatever it is made of.
pub trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// Whom a connection is to lead to.
#[derive(Debug, Clone)]
pub struct Tls<'a> {
    /// The name, or the address, that the server's certificate is to be for.
    pub host: &'a str,
    pub config: Arc<ClientConfig>,
}

/// Makes a TCP connection fit for a stream of which a second takes about `second_bytes`, and speaks TLS over it
/// where that is wanted.
///
/// # Errors
/// When the socket has gone, or the server is not who it is to be; rustls's error is within.
pub async fn over_tcp(
    tcp: TcpStream,
    second_bytes: u32,
    tls: Option<Tls<'_>>,
) -> io::Result<Box<dyn Transport>> {
    tcp.set_nodelay(true)?;
    let socket = SockRef::from(&tcp);
    // What is in the kernel cannot be dropped any more: half a second, which Linux doubles.
    let buffer = (second_bytes as usize / 2).clamp(LEAST_SEND_BUFFER, MOST_SEND_BUFFER);
    socket.set_send_buffer_size(buffer)?;
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    socket.set_tcp_notsent_lowat(NOTSENT_LOWAT)?;
    let Some(Tls { host, config }) = tls else { return Ok(Box::new(tcp)) };
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    Ok(Box::new(TlsConnector::from(config).connect(name, tcp).await?))
}

/// What went wrong with a connection, for the person who looks at the output.
#[must_use]
pub fn describe(error: &io::Error, target: &Target) -> String {
    let (host, port) = (target.host(), target.port());
    match error.kind() {
        io::ErrorKind::ConnectionRefused => format!("nothing accepts connections at {host}:{port}"),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => {
            "the server closed the connection".to_owned()
        }
        io::ErrorKind::TimedOut => "the line is dead: nothing sent arrives".to_owned(),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            format!("there is no way to {host}: check the network")
        }
        io::ErrorKind::InvalidData if target.is_encrypted() => {
            format!("TLS with {host}:{port} failed: {}", describe_tls(error))
        }
        _ => format!("connection to {host}:{port}: {error}"),
    }
}

fn describe_tls(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    let Some(rustls::Error::InvalidCertificate(reason)) = inner else { return error.to_string() };
    let words = match reason {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "is not valid yet",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "is for another name"
        }
        // The second is what an authority of the same name, with another key, gives.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "comes from nobody who is trusted"
        }
        CertificateError::Revoked => "was revoked",
        _ => "cannot be verified",
    };
    format!("the server's certificate {words}")
}
