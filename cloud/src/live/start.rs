//! What is done with the events that are there when the server starts.

use super::error::LiveError;
use super::{begun, takeover};
use crate::app::App;
use crate::event::{EventStatus, ListOptions};

/// Takes up the events that were live when the server ended, and follows its shutdown.
pub async fn start(app: App) -> Result<(), LiveError> {
    let live = app.live.clone();
    let (shutdown, stopped) = (app.shutdown.clone(), live.0.shutdown.clone());
    tokio::spawn(async move {
        shutdown.cancelled().await;
        stopped.cancel();
    });
    quiet(&app).await?;
    if app.cluster.owners().is_shared() {
        tokio::spawn(takeover::run(app.clone()));
    }
    tokio::spawn(begun::run(app.clone()));
    let mut after = None;
    loop {
        let page = app.events.list(ListOptions { after, ..ListOptions::default() }).await?;
        for event in page.items {
            let has_files = live.spool_dir(&event.id).exists();
            if has_files || event.status == EventStatus::Started {
                live.take_if_free(&event.id).await;
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Notes that no broadcast comes in any more where nobody takes one in: it ended with an earlier run.
async fn quiet(app: &App) -> Result<(), LiveError> {
    for event in app.events.receiving().await? {
        if !app.cluster.owners().is_elsewhere(&event).await? {
            app.events.quiet(&event).await?;
        }
    }
    Ok(())
}
