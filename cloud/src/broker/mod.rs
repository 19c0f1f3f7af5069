//! The MQTT broker: Mosquitto as a child.

use crate::app::App;

/// Starts it.
pub async fn start(_app: App) -> Result<(), std::io::Error> {
    Ok(())
}
