//! One certificate asked for, from the account to the last byte.

use super::Acme;
use super::schedule::is_due;
use crate::clock::Timestamp;
use instant_acme::{
    Account, AccountBuilder, AccountCredentials, AuthorizationStatus, ChallengeType, Identifier, NewAccount,
    NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use serde::{Deserialize, Serialize};
use std::fs;
use std::time::Duration;

/// How long the authority may take for each of its two steps.
const PATIENCE: Duration = Duration::from_secs(90);
/// Between two questions whether it has looked at the proofs.
const LOOK: Duration = Duration::from_secs(1);

/// Why there is no new certificate.
#[derive(Debug, thiserror::Error)]
pub(super) enum OrderError {
    #[error("{doing}: {}", with_causes(source))]
    Authority { doing: &'static str, source: instant_acme::Error },
    #[error("it does not take a proof over TLS (tls-alpn-01) for {0}")]
    NoProof(String),
    #[error("it did not find the proof for {0}: port 443 of that name must lead to `http.tls_listen`")]
    NotProved(String),
    #[error("it ended the order as {0}")]
    Ended(String),
    #[error(
        "it gave one that is not for all names, or that would have to be replaced at once by this machine's clock"
    )]
    Useless,
    #[error("cannot make the request: {0}")]
    Make(String),
    #[error("cannot keep what it gave in {path} (`data_dir`): {source}")]
    Keep { path: String, source: std::io::Error },
}

fn with_causes(error: &instant_acme::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    text
}

fn failed(doing: &'static str) -> impl FnOnce(instant_acme::Error) -> OrderError {
    move |source| OrderError::Authority { doing, source }
}

/// The account at one authority.
#[derive(Serialize, Deserialize)]
struct Kept {
    directory: String,
    credentials: AccountCredentials,
}

/// Asks for a certificate and keeps it.
pub(super) async fn order(acme: &Acme, now: Timestamp) -> Result<(), OrderError> {
    let asked = ask(acme).await;
    acme.challenges.clear();
    let (certificate, key) = asked?;
    // Whoever asks for the same again and again is shut out by the authority.
    if is_due(acme.taken(&certificate, &key).as_ref(), now) {
        return Err(OrderError::Useless);
    }
    let keep = |source| OrderError::Keep { path: acme.pair_file().display().to_string(), source };
    acme.keep(&certificate, &key).map_err(keep)
}

async fn ask(acme: &Acme) -> Result<(String, String), OrderError> {
    let account = account(acme).await?;
    let identifiers: Vec<Identifier> = acme
        .names
        .iter()
        .map(|name| name.parse().map_or_else(|_| Identifier::Dns(name.clone()), Identifier::Ip))
        .collect();
    let mut order = account.new_order(&NewOrder::new(&identifiers)).await.map_err(failed("asking for it"))?;
    prove(acme, &mut order).await?;
    looked_at(&mut order).await?;
    let patience = RetryPolicy::new().timeout(PATIENCE);
    match order.poll_ready(&patience).await.map_err(failed("waiting for its look at the proof"))? {
        OrderStatus::Ready => {}
        other => return Err(OrderError::Ended(format!("{other:?}"))),
    }
    let make = |error: rcgen::Error| OrderError::Make(error.to_string());
    let key = KeyPair::generate().map_err(make)?;
    let mut parameters =
        CertificateParams::new(acme.names.iter().cloned().collect::<Vec<_>>()).map_err(make)?;
    parameters.distinguished_name = DistinguishedName::new();
    let request = parameters.serialize_request(&key).map_err(make)?;
    order.finalize_csr(request.der()).await.map_err(failed("sending the request"))?;
    let certificate = order.poll_certificate(&patience).await.map_err(failed("fetching it"))?;
    Ok((certificate, key.serialize_pem()))
}

/// Shows a proof for each name that the authority has not seen one for of late.
async fn prove(acme: &Acme, order: &mut Order) -> Result<(), OrderError> {
    let mut authorizations = order.authorizations();
    while let Some(next) = authorizations.next().await {
        let mut authorization = next.map_err(failed("asking what to prove"))?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let name = authorization.identifier().to_string();
        let challenge = authorization.challenge(ChallengeType::TlsAlpn01);
        let mut challenge = challenge.ok_or_else(|| OrderError::NoProof(name.clone()))?;
        let digest = challenge.key_authorization().digest();
        acme.challenges.show(&name, digest.as_ref()).map_err(OrderError::Make)?;
        challenge.set_ready().await.map_err(failed("saying that the proof is there"))?;
    }
    Ok(())
}

/// Waits until the authority has looked at all proofs; a wrong one does not end the order everywhere.
async fn looked_at(order: &mut Order) -> Result<(), OrderError> {
    for _ in 0..PATIENCE.as_secs() / LOOK.as_secs() {
        let mut waits = false;
        let mut authorizations = order.authorizations();
        while let Some(next) = authorizations.next().await {
            let mut authorization = next.map_err(failed("asking what it found"))?;
            let state = authorization.refresh().await.map_err(failed("asking what it found"))?;
            match state.status {
                AuthorizationStatus::Valid => {}
                AuthorizationStatus::Pending => waits = true,
                _ => {
                    let said = state
                        .challenges
                        .iter()
                        .find_map(|challenge| challenge.error.as_ref()?.detail.clone());
                    let name = state.identifier().to_string();
                    return Err(OrderError::NotProved(
                        said.map_or_else(|| name.clone(), |said| format!("{name} ({said})")),
                    ));
                }
            }
        }
        if !waits {
            break;
        }
        super::sleep(LOOK).await;
    }
    Ok(())
}

/// The account that is there, or a new one.
async fn account(acme: &Acme) -> Result<Account, OrderError> {
    let builder = || -> Result<AccountBuilder, instant_acme::Error> {
        match &acme.config.ca_file {
            Some(path) => Account::builder_with_root(path),
            None => Account::builder(),
        }
    };
    let path = acme.directory.join("account.json");
    let kept = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Kept>(&bytes).ok());
    if let Some(kept) = kept.filter(|kept| kept.directory == acme.config.directory) {
        let taken =
            builder().map_err(failed("reading `tls.acme.ca_file`"))?.from_credentials(kept.credentials);
        return taken.await.map_err(failed("asking its directory"));
    }
    let contact = acme.config.contact.as_ref().map(|address| format!("mailto:{address}"));
    let contact: Vec<&str> = contact.as_deref().into_iter().collect();
    let new = NewAccount {
        contact: &contact,
        terms_of_service_agreed: acme.config.agree_to_terms,
        only_return_existing: false,
    };
    let directory = acme.config.directory.clone();
    let made = builder().map_err(failed("reading `tls.acme.ca_file`"))?.create(&new, directory.clone(), None);
    let (account, credentials) = made.await.map_err(failed("making an account"))?;
    let text = serde_json::to_string(&Kept { directory, credentials })
        .map_err(|error| OrderError::Make(error.to_string()))?;
    let keep = |source| OrderError::Keep { path: path.display().to_string(), source };
    acme.put(&path, &text).map_err(keep)?;
    Ok(account)
}
