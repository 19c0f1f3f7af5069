//! How an account wants its players to look, and what they say.

use crate::app::App;
use crate::http::ApiError;
use crate::include;
use crate::settings;
use crate::store::Account;
use serde::Serialize;

/// What a player's page is told of its account's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Look {
    /// `#rrggbb`; absent where the account has not chosen one.
    accent: Option<String>,
    /// The address of a picture.
    logo: Option<String>,
    low_latency: bool,
    autoplay: bool,
    waiting: Words,
    paused: Words,
    ended: Words,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Words {
    pub(super) title: String,
    pub(super) text: String,
}

impl Look {
    pub(super) async fn of(app: &App, account: Account) -> Result<Self, ApiError> {
        let settings = settings::of(&app.store, account).await?;
        let logo = match settings.logo.is_empty() {
            true => None,
            false => picture(app, account, &settings.logo).await?,
        };
        Ok(Self {
            accent: Some(settings.accent_colour).filter(|colour| !colour.is_empty()),
            logo,
            low_latency: settings.low_latency,
            autoplay: settings.autoplay,
            waiting: Words { title: settings.waiting_title, text: settings.waiting_text },
            paused: Words { title: settings.paused_title, text: settings.paused_text },
            ended: Words { title: settings.ended_title, text: settings.ended_text },
        })
    }
}

/// An include file's address, of the version that is there; none once the file is gone.
pub(super) async fn picture(app: &App, account: Account, name: &str) -> Result<Option<String>, ApiError> {
    let found = include::find(&app.store, account, name).await?.map(|found| found.document);
    Ok(found.map(|file| format!("/include/{}/{}?v={}", file.public_id, file.name, file.sha256)))
}
