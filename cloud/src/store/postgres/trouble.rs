//! What an error of the database means for whoever asked.

use super::database::{Database, cause};
use crate::store::StoreError;
use tokio_postgres::error::{DbError, SqlState};

/// The kinds of trouble that are met in different ways.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The connection is gone or about to go.
    Lost(String),
    /// Another process was in the way; the same again may succeed.
    Raced(String),
    /// The server's disk has no room for it.
    Full(String),
    /// The server lacks memory for now.
    Short(String),
    /// The database will not do it.
    Refused(String),
}

impl From<tokio_postgres::Error> for Trouble {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(database) = error.as_db_error() else {
            let words = cause(&error);
            let io =
                std::error::Error::source(&error).is_some_and(<dyn std::error::Error>::is::<std::io::Error>);
            return if error.is_closed() || io { Self::Lost(words) } else { Self::Refused(words) };
        };
        let words = words(database);
        let code = database.code();
        let raced = [
            SqlState::UNIQUE_VIOLATION,
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::LOCK_NOT_AVAILABLE,
        ];
        // After a failover a connection may still lead to what has become a standby.
        let moved = [SqlState::READ_ONLY_SQL_TRANSACTION, SqlState::TOO_MANY_CONNECTIONS];
        let class = code.code().get(..2).unwrap_or_default();
        let fatal = database.parsed_severity().is_some_and(|severity| {
            use tokio_postgres::error::Severity::{Fatal, Panic};
            matches!(severity, Fatal | Panic)
        });
        if raced.contains(code) {
            Self::Raced(words)
        } else if fatal || class == "08" || moved.contains(code) {
            Self::Lost(words)
        } else if *code == SqlState::DISK_FULL {
            Self::Full(words)
        } else if *code == SqlState::OUT_OF_MEMORY {
            Self::Short(words)
        } else {
            Self::Refused(words)
        }
    }
}

impl Trouble {
    /// What happened, in words.
    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Lost(reason)
            | Self::Raced(reason)
            | Self::Full(reason)
            | Self::Short(reason)
            | Self::Refused(reason) => reason,
        }
    }

    /// What is said to whoever asked, where it is not tried again.
    pub(super) fn to_error(&self, target: &Database) -> StoreError {
        match self {
            Self::Lost(reason) | Self::Short(reason) => target.away(reason),
            Self::Full(_) => StoreError::NoRoom,
            Self::Raced(reason) | Self::Refused(reason) => {
                StoreError::Engine(format!("{}: {reason}", target.name()))
            }
        }
    }
}

/// The server's own words, with its code.
pub(super) fn words(error: &DbError) -> String {
    format!("{} ({})", error.message(), error.code().code())
}

/// Why a connection was not made, and what to do; whether waiting may help.
pub(super) fn connecting(error: &tokio_postgres::Error) -> (bool, String) {
    let Some(database) = error.as_db_error() else {
        let words = cause(error);
        let hint = match words.contains("password missing") {
            true => Some(": put it into a file and its path into `store.password_file`"),
            false => encrypting(error, &words),
        };
        return (hint.is_none(), format!("{words}{}", hint.unwrap_or_default()));
    };
    let code = database.code();
    let hint = if *code == SqlState::INVALID_PASSWORD {
        ": check `store.password_file`"
    } else if *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION {
        ": check the user in `store.url` and the server's pg_hba.conf; where that takes encrypted connections only, \
         put `sslmode=require` into `store.url`"
    } else if *code == SqlState::INVALID_CATALOG_NAME {
        ": create the database, or check `store.url`"
    } else {
        return (true, words(database));
    };
    (false, format!("{}{hint}", words(database)))
}

/// What to do where the server cannot be trusted, or does not encrypt at all.
fn encrypting(error: &tokio_postgres::Error, words: &str) -> Option<&'static str> {
    use rustls::CertificateError::{Expired, ExpiredContext, NotValidForName, NotValidForNameContext};
    if words.contains("server does not support TLS") {
        let hint = ": switch `ssl` on at the server; only where the network between is trusted, put \
                    `sslmode=disable` into `store.url`";
        return Some(hint);
    }
    match tls_error(error)? {
        rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }) => {
            Some(": put a host into `store.url` that the server's certificate is for, or give it another one")
        }
        rustls::Error::InvalidCertificate(Expired | ExpiredContext { .. }) => {
            Some(": give the server a new certificate")
        }
        rustls::Error::InvalidCertificate(_) => {
            Some(": put the certificate of the server's authority into `store.ca_file`")
        }
        _ => None,
    }
}

/// What TLS says, wherever it stands among an error's causes.
fn tls_error(error: &tokio_postgres::Error) -> Option<&rustls::Error> {
    let mut next = std::error::Error::source(error);
    while let Some(error) = next {
        // What an I/O error carries is not among its causes.
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let found = inner.and_then(|inner| inner.downcast_ref()).or_else(|| error.downcast_ref());
        if found.is_some() {
            return found;
        }
        next = error.source();
    }
    None
}
