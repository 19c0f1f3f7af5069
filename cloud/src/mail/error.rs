//! Why a mail was not sent, in words for whoever runs the server.

use std::error::Error as _;
use std::path::PathBuf;

/// Says why a mail was not sent; never with the address that it was for.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// There is no mail server.
    #[error("no mail server is configured: `[mail]` names one")]
    Off,
    /// The address is none that mail can go to.
    #[error("the address is none that mail can be sent to: {0}")]
    Address(String),
    /// The mail cannot be put together.
    #[error("the mail cannot be written: {0}")]
    Write(String),
    /// What it is about cannot be read now.
    #[error("the mail cannot be put together just now: {0}")]
    Compose(String),
    /// A file cannot be read.
    #[error("cannot read {path} (`mail.{key}`): {detail}")]
    File {
        /// The file.
        path: PathBuf,
        /// The key that names it.
        key: &'static str,
        /// Why.
        detail: String,
    },
    /// The server is not reached.
    #[error("the mail server {server} is not reached: {detail}; look at `mail.server` and `mail.port`")]
    Away {
        /// The server.
        server: String,
        /// Why.
        detail: String,
    },
    /// The way there is not encrypted as is wanted.
    #[error(
        "no encrypted connection to the mail server {server}: {detail}; look at `mail.encryption`, the server's name and `mail.ca_file`"
    )]
    Tls {
        /// The server.
        server: String,
        /// Why.
        detail: String,
    },
    /// User or password are wrong.
    #[error("the mail server {server} does not take `mail.user` and its password: {detail}")]
    Login {
        /// The server.
        server: String,
        /// What it says.
        detail: String,
    },
    /// The server does not take the mail.
    #[error("the mail server {server} does not take the mail: {detail}")]
    Refused {
        /// The server.
        server: String,
        /// What it says.
        detail: String,
        /// Whether it never will.
        forever: bool,
    },
}

impl MailError {
    /// Whether trying again is of no use.
    pub(super) fn is_hopeless(&self) -> bool {
        matches!(self, Self::Address(_) | Self::Write(_) | Self::Refused { forever: true, .. })
    }

    /// Sorts what the client says, of a server with this name, by what is to be done about it.
    pub(super) fn of(server: &str, is_mail: bool, error: &lettre::transport::smtp::Error) -> Self {
        let (server, detail) = (server.to_owned(), words(error));
        let code = error.status().map(u16::from);
        if error.is_tls() || (code.is_none() && looks_like_tls(&detail)) {
            return Self::Tls { server, detail };
        }
        match code {
            Some(534 | 535 | 538 | 454 | 432) => Self::Login { server, detail },
            Some(_) if is_mail => Self::Refused { server, detail, forever: error.is_permanent() },
            Some(_) => Self::Refused { server, detail, forever: false },
            None if error.is_client() && !is_mail => Self::Login { server, detail },
            None => Self::Away { server, detail },
        }
    }
}

fn looks_like_tls(detail: &str) -> bool {
    ["certificate", "TLS", "tls", "STARTTLS", "corrupt message", "InvalidContentType"]
        .iter()
        .any(|word| detail.contains(word))
}

/// The innermost reason.
fn words(error: &lettre::transport::smtp::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}
