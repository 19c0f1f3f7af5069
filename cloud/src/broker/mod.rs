//! The MQTT broker: Mosquitto as a child, configured by the cloud, with one narrow role a box.
//!
//! The broker never outlives the cloud, however the cloud ends; if the broker ends, it is started again on the same port.

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

/// Starts the broker and tells the devices of it; returns once it takes connections.
///
/// # Errors
/// If the program, the plugin or the port cannot be used; the error names the key to change.
pub async fn start(app: App) -> Result<(), BrokerError> {
    if !app.config.mqtt.enabled {
        return Ok(());
    }
    let options = BrokerOptions {
        mosquitto: app.config.mqtt.mosquitto.clone(),
        plugin: app.config.mqtt.dynamic_security_plugin.clone(),
        listen: app.config.mqtt.listen,
        directory: app.config.data_dir.join("broker"),
        launcher: std::env::current_exe().map_err(|source| BrokerError::Launcher { source })?,
    };
    let devices = app.devices.clone();
    let credentials = move || {
        let devices = devices.clone();
        async move { devices.credentials().await.map_err(|error| error.to_string()) }
    };
    let broker = Broker::start(options, credentials, app.shutdown.clone()).await?;
    // Set once: the broker starts once with its server.
    let _ = app.addresses.mqtt.set(broker.address());
    app.devices.use_broker(broker);
    Ok(())
}
