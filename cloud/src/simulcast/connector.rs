//! How servers of others are reached: through the outbound guard, and with the certificates that the system trusts.

use crate::outbound::{Guard, Purpose};
use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt as _;
use stagebox_push::{ConnectError, Connector, Target, Tls, Transport, over_tcp};
use std::sync::Arc;
use std::time::Duration;

/// For a connection; the output gives up a little later.
const LIMIT: Duration = Duration::from_secs(9);

/// Opens what a tenant's addresses lead to.
pub(super) struct Guarded {
    pub(super) outbound: Guard,
    pub(super) tls: Arc<ClientConfig>,
}

/// What is believed of servers' certificates.
pub(super) fn tls() -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = versions.and_then(|builder| Ok(builder.with_platform_verifier()?.with_no_client_auth()));
    Arc::new(
        config.unwrap_or_else(|error| panic!("ring has safe protocol versions, and a verifier: {error}")),
    )
}

impl Connector for Guarded {
    async fn connect(&self, target: &Target, second_bytes: u32) -> Result<Box<dyn Transport>, ConnectError> {
        // Checked anew at each attempt: names lead elsewhere from one day to the next.
        let checked = self.outbound.target(Purpose::Rtmp, target.url());
        let checked = checked.map_err(|error| ConnectError::Told(error.to_string()))?;
        let tcp = self.outbound.connect(&checked, LIMIT).await;
        let tcp = tcp.map_err(|error| ConnectError::Told(error.to_string()))?;
        let tls = Tls { host: target.host(), config: Arc::clone(&self.tls) };
        Ok(over_tcp(tcp, second_bytes, checked.is_encrypted().then_some(tls)).await?)
    }
}
