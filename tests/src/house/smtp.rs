//! A mail server that keeps what it is given: plain, with TLS from the first byte, or with STARTTLS.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// How a client is to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Plain,
    Tls,
    StartTls,
}

/// Who may send, where somebody must log in.
pub const USER: &str = "stagebox";
/// Their password.
pub const PASSWORD: &str = "smtp-hush-51c0d2";

/// A mail as it came.
#[derive(Debug, Clone)]
pub struct Mail {
    pub to: String,
    /// Head and body, with quoted-printable undone.
    pub text: String,
}

struct Inner {
    mode: Mode,
    login: bool,
    acceptor: TlsAcceptor,
    mails: Mutex<Vec<Mail>>,
    folder: Option<PathBuf>,
    /// Answers to the next mails instead of taking them.
    refusals: Mutex<Vec<String>>,
}

/// A running server; it ends when it is dropped.
pub struct Smtp {
    pub address: SocketAddr,
    /// The certificate that it shows, as PEM.
    pub certificate: String,
    inner: Arc<Inner>,
    task: JoinHandle<()>,
}

impl Drop for Smtp {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Smtp {
    /// Starts one on a free loopback port; with `login` it takes mail only of [`USER`].
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start(mode: Mode, login: bool, folder: Option<&Path>) -> Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let made =
            rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).context("a certificate")?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .context("the server's TLS")?;
        let listener = TcpListener::bind("127.0.0.1:0").await.context("a free port")?;
        let address = listener.local_addr().context("a free port")?;
        let inner = Arc::new(Inner {
            mode,
            login,
            acceptor: TlsAcceptor::from(Arc::new(config)),
            mails: Mutex::default(),
            folder: folder.map(Path::to_owned),
            refusals: Mutex::default(),
        });
        let serving = Arc::clone(&inner);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let inner = Arc::clone(&serving);
                tokio::spawn(async move {
                    let _ = inner.serve(stream).await;
                });
            }
        });
        Ok(Self { address, certificate: made.cert.pem(), inner, task })
    }

    /// What came so far.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        self.inner.mails.lock().map(|mails| mails.clone()).unwrap_or_default()
    }

    /// Answers so to the next mail instead of taking it.
    pub fn refuse_next(&self, answer: &str) {
        if let Ok(mut refusals) = self.inner.refusals.lock() {
            refusals.push(answer.to_owned());
        }
    }
}

impl Inner {
    async fn serve(&self, stream: TcpStream) -> Result<()> {
        match self.mode {
            Mode::Tls => {
                let stream = self.acceptor.accept(stream).await?;
                self.converse(BufReader::new(stream), true).await?;
            }
            Mode::Plain => {
                self.converse(BufReader::new(stream), true).await?;
            }
            Mode::StartTls => {
                if let Some(stream) = self.converse(BufReader::new(stream), false).await? {
                    let stream = self.acceptor.accept(stream).await?;
                    self.converse(BufReader::new(stream), true).await?;
                }
            }
        }
        Ok(())
    }

    /// Speaks until the client leaves, or until TLS is to begin on the stream that is returned.
    async fn converse<S>(&self, mut stream: BufReader<S>, safe: bool) -> Result<Option<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if !(safe && self.mode == Mode::StartTls) {
            stream.write_all(b"220 house ESMTP\r\n").await?;
        }
        let (mut known, mut to, mut line) = (!self.login, String::new(), String::new());
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(None);
            }
            let said = line.trim_end().to_owned();
            let upper = said.to_uppercase();
            let answer = match upper.split([' ', ':']).next().unwrap_or_default() {
                "EHLO" | "HELO" => {
                    let more = if safe { "250-AUTH PLAIN LOGIN\r\n" } else { "250-STARTTLS\r\n" };
                    format!("250-house\r\n{more}250 8BITMIME")
                }
                "STARTTLS" => {
                    stream.write_all(b"220 go on\r\n").await?;
                    return Ok(Some(stream.into_inner()));
                }
                "AUTH" => {
                    known = self.is_right(said.split(' ').nth(2).unwrap_or_default());
                    if known {
                        "235 welcome".to_owned()
                    } else {
                        "535 5.7.8 user or password is wrong".to_owned()
                    }
                }
                "MAIL" if !known || !safe => "530 5.7.0 log in first".to_owned(),
                "RCPT" if upper.contains("NOBODY") => "550 5.1.1 there is no such mailbox".to_owned(),
                "RCPT" => {
                    to = said.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                    "250 ok".to_owned()
                }
                "DATA" => {
                    stream.write_all(b"354 go on\r\n").await?;
                    let mut text = String::new();
                    loop {
                        line.clear();
                        if stream.read_line(&mut line).await? == 0 {
                            return Ok(None);
                        }
                        if line.trim_end() == "." {
                            break;
                        }
                        text.push_str(line.strip_prefix('.').unwrap_or(&line));
                    }
                    self.take(&to, &text)
                }
                "QUIT" => {
                    stream.write_all(b"221 bye\r\n").await?;
                    return Ok(None);
                }
                "MAIL" | "RSET" | "NOOP" => "250 ok".to_owned(),
                _ => "502 5.5.1 not known here".to_owned(),
            };
            stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
        }
    }

    fn is_right(&self, given: &str) -> bool {
        use std::fmt::Write as _;
        let mut wanted = String::new();
        let _ = write!(wanted, "\0{USER}\0{PASSWORD}");
        given == base64(wanted.as_bytes())
    }

    fn take(&self, to: &str, text: &str) -> String {
        let refusal = self
            .refusals
            .lock()
            .ok()
            .and_then(|mut refusals| (!refusals.is_empty()).then(|| refusals.remove(0)));
        if let Some(refusal) = refusal {
            return refusal;
        }
        let text = text.replace("=\r\n", "").replace("=3D", "=");
        if let Ok(mut mails) = self.mails.lock() {
            mails.push(Mail { to: to.to_owned(), text: text.clone() });
            if let Some(folder) = &self.folder {
                let name = folder.join(format!("{:03}.eml", mails.len()));
                let beside = name.with_extension("part");
                let _ = std::fs::write(&beside, format!("X-Recipient: {to}\r\n{text}"));
                let _ = std::fs::rename(&beside, &name);
            }
        }
        "250 taken".to_owned()
    }
}

/// RFC 4648, 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let mut value = [0u8; 4];
        value[1..1 + group.len()].copy_from_slice(group);
        let bits = u32::from_be_bytes(value);
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= group.len() { char::from(letter) } else { '=' });
        }
    }
    text
}
