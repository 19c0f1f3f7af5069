//! `[mail]`: the server that takes our mail.

use crate::config::Hidden;
use lettre::message::Mailbox;
use serde::Deserialize;
use std::net::IpAddr;
use std::path::PathBuf;

/// How the way to the mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encryption {
    /// From the first byte (RFC 8314).
    #[default]
    Tls,
    /// Before anything is said (RFC 3207); never without.
    StartTls,
    /// Not at all: only to this machine.
    None,
}

impl Encryption {
    /// The port that it usually has.
    fn port(self) -> u16 {
        match self {
            Self::Tls => 465,
            Self::StartTls => 587,
            Self::None => 25,
        }
    }
}

/// `[mail]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MailConfig {
    /// The server; without it no mail is sent.
    pub server: Option<String>,
    /// Its port; 465, 587 or 25 by how it is encrypted if absent.
    pub port: Option<u16>,
    /// How the way there is encrypted.
    pub encryption: Encryption,
    /// Certificates (PEM) of the authority that signed the server's, where the system does not trust it.
    pub ca_file: Option<PathBuf>,
    /// Whom to log in as; nobody if absent.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<Hidden>,
    /// A file with the password in its first line.
    pub password_file: Option<PathBuf>,
    /// Whom mail is from, such as `Stagebox <stagebox@example.org>`.
    pub from: Option<String>,
}

impl MailConfig {
    /// Whether mail is sent at all.
    pub fn is_on(&self) -> bool {
        self.server.is_some()
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(self.encryption.port())
    }

    /// Finds what makes no sense: the key and what is wrong with it.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        let wrong = |field, detail: &str| Err((field, detail.to_owned()));
        let Some(server) = &self.server else {
            let lonely = [self.from.is_some(), self.user.is_some(), self.port.is_some()];
            return if lonely.contains(&true) {
                wrong("mail.server", "is missing: name the mail server, or remove the section")
            } else {
                Ok(())
            };
        };
        if server.is_empty() || server.contains(|c: char| c.is_whitespace() || c == '/' || c == '@') {
            return wrong("mail.server", "must be a host's name or address, such as mail.example.org");
        }
        if self.encryption == Encryption::None && !is_here(server) {
            return wrong(
                "mail.encryption",
                "\"none\" goes to this machine only (127.0.0.1, ::1 or localhost): use \"tls\" or \"starttls\"",
            );
        }
        match &self.from {
            None => return wrong("mail.from", "is missing: whom is mail from? Such as stagebox@example.org"),
            Some(from) if from.parse::<Mailbox>().is_err() => {
                return wrong("mail.from", "must be an address, such as `Stagebox <stagebox@example.org>`");
            }
            Some(_) => {}
        }
        let passwords = usize::from(self.password.is_some()) + usize::from(self.password_file.is_some());
        match (&self.user, passwords) {
            (Some(_), 0) => wrong("mail.password_file", "is missing: `mail.user` has a password"),
            (None, 1..) => wrong("mail.user", "is missing: there is a password"),
            (_, 2) => wrong("mail.password_file", "cannot be together with `mail.password`"),
            _ => Ok(()),
        }
    }
}

fn is_here(server: &str) -> bool {
    server == "localhost" || server.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn what_makes_no_sense_is_named() {
        let wrong = |text: &str| Config::parse("test", text, []).unwrap_err().to_string();
        let from = "from = \"a@b.org\"\n";
        for (text, key) in [
            ("from = \"a@b.org\"".to_owned(), "mail.server"),
            (format!("server = \"a b\"\n{from}"), "mail.server"),
            ("server = \"mail.example.org\"".to_owned(), "mail.from"),
            ("server = \"mail.example.org\"\nfrom = \"x\"".to_owned(), "mail.from"),
            (format!("server = \"mail.example.org\"\nencryption = \"none\"\n{from}"), "mail.encryption"),
            (format!("server = \"mail.example.org\"\nuser = \"u\"\n{from}"), "mail.password_file"),
            (format!("server = \"mail.example.org\"\npassword = \"secret one\"\n{from}"), "mail.user"),
        ] {
            let error = wrong(&format!("[mail]\n{text}"));
            assert!(error.contains(key) && !error.contains("secret one"), "{text}: {error}");
        }
        let good = format!("[mail]\nserver = \"localhost\"\nencryption = \"none\"\n{from}");
        let config = Config::parse("test", &good, []).unwrap();
        assert!(config.mail.is_on());
        assert_eq!(config.mail.port(), 25);
        assert!(!Config::parse("test", "", []).unwrap().mail.is_on());
    }
}
