//! The link to the cloud: MQTT, and the stream targets over HTTP.
