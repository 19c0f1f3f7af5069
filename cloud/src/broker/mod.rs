//! The MQTT broker: Mosquitto as a child, configured by the cloud, with one narrow role a box.
//!
//! The broker never outlives the cloud, however the cloud ends; if the broker ends, it is started again on the same port.

#![allow(clippy::disallowed_methods, reason = "a driver: it waits before it tries again")]

mod access;
mod configuration;
mod error;
pub mod exec;
mod process;
mod supervise;
#[cfg(test)]
mod tests;

pub use access::{AdminCommand, Credential, Verifier};
pub(crate) use access::{CONTROL, CONTROL_RESPONSE, refusals};
pub use error::BrokerError;
pub use supervise::{Broker, BrokerOptions, Login};

use crate::app::App;
use crate::cluster::{Duty, Role};
use crate::device;
use crate::tls::Pair;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Before a broker that did not start is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// A broker for as long as this process has the duty.
struct Term {
    broker: Broker,
    duty: Duty,
    token: CancellationToken,
}

/// Starts the broker with what speaks to the boxes, and returns once it takes connections; stands by where another
/// process has one.
///
/// # Errors
/// If the program, the plugin or the port cannot be used; the error names the key to change.
pub async fn start(app: App) -> Result<(), BrokerError> {
    if !app.config.mqtt.enabled {
        return Ok(());
    }
    let first = match app.cluster.duties().try_take(Role::Broker).await? {
        Some(duty) => Some(begin(&app, duty).await?),
        None => None,
    };
    app.cluster.clone().spawn(go_on(app, first));
    Ok(())
}

/// Has a broker whenever it is this process's turn, until the server ends.
async fn go_on(app: App, first: Option<Term>) {
    let mut term = first;
    loop {
        if let Some(term) = term.take() {
            term.token.cancelled().await;
            app.devices.leave();
            term.broker.ended().await;
            term.duty.give_back().await;
        }
        let duty = tokio::select! {
            biased;
            () = app.shutdown.cancelled() => return,
            duty = app.cluster.duties().take(Role::Broker) => duty,
        };
        match begin(&app, duty.clone()).await {
            Ok(begun) => term = Some(begun),
            Err(error) => {
                tracing::error!(%error, "this process cannot take the broker over");
                app.devices.leave();
                duty.give_back().await;
                tokio::select! {
                    () = app.shutdown.cancelled() => return,
                    () = tokio::time::sleep(AGAIN) => {}
                }
            }
        }
    }
}

async fn begin(app: &App, duty: Duty) -> Result<Term, BrokerError> {
    let token = duty.term(&app.shutdown);
    let begun = begin_until(app, &duty, &token).await;
    match begun {
        Ok(broker) => Ok(Term { broker, duty, token }),
        Err(error) => {
            token.cancel();
            Err(error)
        }
    }
}

async fn begin_until(app: &App, duty: &Duty, term: &CancellationToken) -> Result<Broker, BrokerError> {
    let options = BrokerOptions {
        mosquitto: app.config.mqtt.mosquitto.clone(),
        plugin: app.config.mqtt.dynamic_security_plugin.clone(),
        // The port that it had before, if it was a free one.
        listen: app.addresses.mqtt.get().copied().unwrap_or(app.config.mqtt.listen),
        encrypted: encrypted(app),
        directory: app.config.data_dir.join("broker"),
        launcher: std::env::current_exe().map_err(|source| BrokerError::Launcher { source })?,
    };
    let devices = app.devices.clone();
    let credentials = move || {
        let devices = devices.clone();
        async move { devices.credentials().await.map_err(|error| error.to_string()) }
    };
    let broker = Broker::start(options, credentials, term.clone()).await?;
    let _ = app.addresses.mqtt.set(broker.address());
    if let Some(address) = broker.encrypted_address() {
        let _ = app.addresses.mqtts.set(address);
    }
    let begun = device::begin(app, broker.clone(), duty, term).await;
    begun.map_err(|error| BrokerError::Devices(error.to_string()))?;
    Ok(broker)
}

/// The listener with TLS: at the port that it had before, if it was a free one.
fn encrypted(app: &App) -> Option<(SocketAddr, watch::Receiver<Arc<Pair>>)> {
    let wanted = app.config.mqtt.tls_listen.address()?;
    let address = app.addresses.mqtts.get().copied().unwrap_or(wanted);
    Some((address, app.tls.as_ref()?.subscribe()))
}
