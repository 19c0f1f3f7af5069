//! Forgets what is kept for a time only: logins of long ago, and exports that have run out.
#![allow(clippy::disallowed_methods, reason = "a driver: it comes round every hour")]

use crate::app::App;
use crate::personal::Export;
use std::time::Duration;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(3600);

/// Begins to look, until the server stops.
pub(crate) fn start(app: &App) {
    let app = app.clone();
    app.cluster.clone().spawn(async move {
        loop {
            match app.accounts.forget_logins().await {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "logins of long ago are forgotten"),
                Err(error) => tracing::warn!(%error, "logins of long ago could not be forgotten"),
            }
            match Export::forget_old(&app.store).await {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "exports that have run out are removed"),
                Err(error) => tracing::warn!(%error, "exports that have run out could not be removed"),
            }
            tokio::select! {
                () = app.shutdown.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    });
}
