//! The box's way to its servers: straight there, whatever their address.

use stagebox_push::{ConnectError, Connector, Target, Tls, Transport, over_tcp};

use super::reach::reach;
use crate::trust::{self, Trust};

pub(super) struct Line {
    trust: Trust,
}

impl Line {
    pub(super) fn new(trust: Trust) -> Self {
        Self { trust }
    }
}

impl Connector for Line {
    async fn connect(&self, target: &Target, second_bytes: u32) -> Result<Box<dyn Transport>, ConnectError> {
        let tcp = reach(target.host(), target.port()).await?;
        let tls = if target.is_encrypted() {
            Some(Tls { host: target.host(), config: self.trust.client_config()? })
        } else {
            None
        };
        over_tcp(tcp, second_bytes, tls).await.map_err(|error| describe(error, target))
    }
}

/// Says what is wrong with a certificate in the box's own words.
pub(crate) fn describe(error: std::io::Error, target: &Target) -> ConnectError {
    let words = error.get_ref().and_then(|inner| inner.downcast_ref()).and_then(trust::describe);
    match words {
        Some(words) => {
            ConnectError::Told(format!("TLS with {}:{} failed: {words}", target.host(), target.port()))
        }
        None => error.into(),
    }
}
