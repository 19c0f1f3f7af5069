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

    /// Sorts what the client says, of a server with this name, by what is to be done about it; servers repeat whom a mail
    /// is for, who is not told.
    pub(super) fn of(
        server: &str,
        is_mail: bool,
        hidden: &[&str],
        error: &lettre::transport::smtp::Error,
    ) -> Self {
        let (server, detail) = (server.to_owned(), words(error, hidden));
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

/// The innermost reason, without what is hidden.
fn words(error: &lettre::transport::smtp::Error, hidden: &[&str]) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    // Before it is cut: half an address is one too.
    let text = hidden.iter().fold(text, |text, address| without(&text, address));
    text.chars().take(300).collect()
}

/// A text without an address, however that is capitalised, and whether it is in brackets or not.
fn without(text: &str, address: &str) -> String {
    let wanted: Vec<char> = address.chars().flat_map(char::to_lowercase).collect();
    let (mut kept, mut rest) = (String::new(), text);
    while let Some(first) = rest.chars().next() {
        match after(rest, &wanted).filter(|_| !wanted.is_empty()) {
            Some(after) => {
                let is_bracketed = kept.ends_with('<') && after.starts_with('>');
                kept.push_str(if is_bracketed { "the address" } else { "<the address>" });
                rest = after;
            }
            None => {
                kept.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    kept
}

/// What follows in a text that begins with these letters, large or small.
fn after<'a>(text: &'a str, wanted: &[char]) -> Option<&'a str> {
    let (mut wanted, mut letters) = (wanted, text.chars());
    while !wanted.is_empty() {
        for letter in letters.next()?.to_lowercase() {
            wanted = wanted.strip_prefix(&[letter])?;
        }
    }
    Some(letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_a_mail_is_for_is_not_in_what_its_server_says() {
        let hide = |text: &str| without(text, "anna@bücher.example");
        assert_eq!(hide("450 4.2.0 <Anna@BÜCHER.example>: wait"), "450 4.2.0 <the address>: wait");
        assert_eq!(hide("anna@bücher.example, anna@bücher.exampl"), "<the address>, anna@bücher.exampl");
        assert_eq!(hide("aanna@bücher.example"), "a<the address>");
        assert_eq!(hide(""), "");
        assert_eq!(without("as it is", ""), "as it is");
    }
}
