//! Mail out of this process: one connection a mail, encrypted as the configuration says.
#![allow(clippy::disallowed_methods, reason = "a driver: a server that stays silent is left")]

use super::config::Encryption;
use super::{Mail, MailConfig, MailError};
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use std::path::Path;
use std::time::Duration;

/// How long the server may take to take the connection.
const CONNECT: Duration = Duration::from_secs(10);
/// How long it may take until it can be sent to; a server that expects TLS at once stays silent otherwise.
const READY: Duration = Duration::from_secs(10);
/// How long it may take for a mail, from the first byte.
const WHOLE: Duration = Duration::from_secs(60);
/// Longest password file.
const MAX_PASSWORD: usize = 4096;

/// Sends mail; files are read anew for each one.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    config: MailConfig,
}

impl Sender {
    pub(crate) fn new(config: &MailConfig) -> Self {
        Self { config: config.clone() }
    }

    /// Sends one mail.
    pub(crate) async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let message = self.message(mail)?;
        let (server, transport) = self.transport().await?;
        let sent = in_time(WHOLE, &server, transport.send(message)).await?;
        let ascii = address(&mail.to)?.to_string();
        sent.map(|_| ()).map_err(|error| MailError::of(&server, true, &[&mail.to, &ascii], &error))
    }

    /// Connects, encrypts and logs in, and sends nothing.
    pub(super) async fn try_out(&self) -> Result<(), MailError> {
        let (server, transport) = self.transport().await?;
        let tried = in_time(READY, &server, transport.test_connection()).await?;
        let tried = tried.map_err(|error| MailError::of(&server, false, &[], &error))?;
        let detail = "it does not answer as a mail server does".to_owned();
        if tried { Ok(()) } else { Err(MailError::Away { server, detail }) }
    }

    /// The mail as it goes over the wire; names and subjects are encoded, so that none begins a header of its own.
    fn message(&self, mail: &Mail) -> Result<Message, MailError> {
        let from = self.config.from.as_deref().ok_or(MailError::Off)?;
        let from: Mailbox =
            from.parse().map_err(|_| MailError::Write("`mail.from` is no address".to_owned()))?;
        let to = address(&mail.to)?;
        let line = |text: &str| text.chars().filter(|c| !c.is_control()).collect::<String>();
        let name = Some(line(&mail.name)).filter(|name| !name.is_empty());
        let subject = line(&mail.subject);
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        Message::builder()
            .from(from)
            .to(Mailbox::new(name, to))
            .subject(subject)
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
            .multipart(MultiPart::alternative_plain_html(mail.plain(), mail.html()))
            .map_err(|error| MailError::Write(error.to_string()))
    }

    async fn transport(&self) -> Result<(String, AsyncSmtpTransport<Tokio1Executor>), MailError> {
        let config = &self.config;
        let server = config.server.clone().ok_or(MailError::Off)?;
        let tls = |config: &MailConfig| {
            let mut parameters = TlsParameters::builder(server.clone());
            if let Some(path) = &config.ca_file {
                let detail = |detail: String| MailError::File { path: path.clone(), key: "ca_file", detail };
                let text = std::fs::read(path).map_err(|error| detail(error.to_string()))?;
                let certificate = Certificate::from_pem(&text)
                    .map_err(|_| detail("holds no certificates (PEM)".to_owned()))?;
                parameters = parameters.add_root_certificate(certificate);
            }
            parameters.build_rustls().map_err(|error| MailError::of(&server, false, &[], &error))
        };
        let tls = match config.encryption {
            Encryption::Tls => Tls::Wrapper(tls(config)?),
            Encryption::StartTls => Tls::Required(tls(config)?),
            Encryption::None => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(server.as_str())
            .port(config.port())
            .tls(tls)
            .timeout(Some(CONNECT));
        if let Some(user) = &config.user {
            builder = builder.credentials(Credentials::new(user.clone(), self.password().await?));
        }
        let name = format!("{server}:{}", config.port());
        Ok((name, builder.build()))
    }

    async fn password(&self) -> Result<String, MailError> {
        let Some(path) = &self.config.password_file else {
            return Ok(self
                .config
                .password
                .as_ref()
                .map(|password| password.reveal().to_owned())
                .unwrap_or_default());
        };
        let wrong = |detail: String| MailError::File { path: path.clone(), key: "password_file", detail };
        let text = read(path).await.map_err(|error| wrong(error.to_string()))?;
        let line = text.lines().next().unwrap_or_default().trim().to_owned();
        if line.is_empty() || line.len() > MAX_PASSWORD {
            return Err(wrong("its first line must be the password".to_owned()));
        }
        Ok(line)
    }
}

/// The transport waits for answers without an end.
async fn in_time<T>(limit: Duration, server: &str, doing: impl Future<Output = T>) -> Result<T, MailError> {
    tokio::time::timeout(limit, doing).await.map_err(|_| MailError::Away {
        server: server.to_owned(),
        detail: format!("it did not answer in {} seconds: is `mail.encryption` right?", limit.as_secs()),
    })
}

/// An address as every mail server takes it: its host in ASCII (RFC 5891); a name in front of it must be that already.
fn address(text: &str) -> Result<Address, MailError> {
    let wrong = |detail: &str| MailError::Address(detail.to_owned());
    let (name, host) = text.rsplit_once('@').ok_or_else(|| wrong("it has no @"))?;
    if !name.is_ascii() {
        return Err(wrong("what stands before the @ has other letters than mail servers take"));
    }
    let host = url::Host::parse(host).map_err(|_| wrong("its host is none"))?;
    Address::new(name, host.to_string()).map_err(|error| MailError::Address(error.to_string()))
}

async fn read(path: &Path) -> std::io::Result<String> {
    tokio::fs::read_to_string(path).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn no_name_and_no_subject_begins_a_header() {
        let text =
            "[mail]\nserver = \"localhost\"\nencryption = \"none\"\nfrom = \"Stage <stage@example.org>\"";
        let sender = Sender::new(&Config::parse("test", text, []).unwrap().mail);
        let mail = |to: &str, name: &str, subject: &str| {
            let (to, name, subject) = (to.to_owned(), name.to_owned(), subject.to_owned());
            sender.message(&Mail { to, name, subject, parts: Vec::new() })
        };
        let evil = mail("a@b.org", "Anna\r\nBcc: x@y.org", "Hi\r\nBcc: x@y.org\r\n\r\nBody").unwrap();
        let raw = String::from_utf8(evil.formatted()).unwrap();
        let head = raw.split("\r\n\r\n").next().unwrap();
        assert!(!head.lines().any(|line| line.to_lowercase().starts_with("bcc")), "{head}");
        assert!(head.contains("Auto-Submitted: auto-generated"), "{head}");
        assert!(mail("a@b.org\r\nRCPT TO:<x@y.org>", "", "Hi").is_err());
        assert!(mail("no address", "", "Hi").unwrap_err().is_hopeless());
        let plain =
            String::from_utf8(mail("a@bücher.example", "Änne", "Grüße").unwrap().formatted()).unwrap();
        assert!(plain.contains("text/plain") && plain.contains("text/html"), "{plain}");
        assert!(plain.contains("a@xn--bcher-kva.example") && plain.is_ascii(), "{plain}");
        assert!(mail("ä@example.org", "", "Hi").unwrap_err().is_hopeless());
    }
}
