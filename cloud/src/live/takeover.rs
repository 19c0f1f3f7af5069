//! Takes up the events whose owner is gone, so that they go on and come to their end.
#![allow(clippy::disallowed_methods, reason = "a driver: it looks again and again")]

use crate::app::App;

/// Runs until the shutdown.
pub(super) async fn run(app: App) {
    loop {
        tokio::select! {
            () = app.shutdown.cancelled() => return,
            () = tokio::time::sleep(app.config.cluster.heartbeat()) => {}
        }
        match app.cluster.owners().lapsed().await {
            Ok(events) => {
                for event in events {
                    app.live.take_if_free(&event).await;
                }
            }
            Err(error) => tracing::debug!(%error, "cannot look for events that lost their owner"),
        }
    }
}
