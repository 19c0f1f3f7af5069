//! What is wanted of a box follows from its document and its event; each change has a version and is kept first.

use super::DeviceError;
use super::devices::{Devices, wire_id};
use super::document::{DesiredRecord, Device};
use super::driver::Request;
use crate::account::everyone;
use crate::broker::AdminCommand;
use crate::cluster::Duty;
use crate::id::BoxId;
use crate::store::{Account, Document as _, Entry, JournalPage, Store};
use serde_json::Value;
use sha2::{Digest, Sha256};
use stagebox_protocol::{Desired, DesiredState};
use std::collections::{BTreeSet, HashMap};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Entries of the journal that are read at a time.
const AT_ONCE: usize = 256;

impl DesiredRecord {
    /// As it is published.
    pub(super) fn message(&self) -> Desired {
        let state = DesiredState {
            name: Some(self.name.clone()),
            event_id: self.event_id.map(|id| id.to_string()),
            event_title: self.event_title.clone(),
            targets_version: Some(self.targets_version),
            config: self.config.as_ref().map(|config| config.change.clone()),
            config_version: self.config.as_ref().map(|_| self.config_version),
            config_now: self.config.as_ref().is_some_and(|config| config.now),
            ..DesiredState::default()
        };
        Desired { version: self.version, state }
    }
}

/// Brings what is kept of one box up to date; `None` if there is no such box.
pub(super) async fn refresh(
    devices: &Devices,
    duty: &Duty,
    id: BoxId,
) -> Result<Option<DesiredRecord>, DeviceError> {
    let store = devices.store();
    let Some(device) = store.get::<Device>(id).await? else { return Ok(None) };
    let (targets, event_title) = devices.assignment(&id).await?;
    let text = serde_json::to_string(&targets).unwrap_or_default();
    let targets_hash = hex::encode(Sha256::digest(text.as_bytes()));
    let kept = store.get::<DesiredRecord>(id).await?.map(|kept| kept.document);
    let version = kept.as_ref().map_or(0, |kept| kept.version) + 1;
    let same_targets = kept.as_ref().filter(|kept| kept.targets_hash == targets_hash);
    let same_config = kept.as_ref().filter(|kept| kept.config == device.document.config);
    let wanted = DesiredRecord {
        id,
        version,
        name: device.document.name,
        event_id: targets.event_id,
        event_title,
        targets_version: same_targets.map_or(version, |kept| kept.targets_version),
        targets_hash,
        config: device.document.config,
        config_version: same_config.map_or(version, |kept| kept.config_version),
    };
    match kept {
        Some(kept) if (DesiredRecord { version: kept.version, ..wanted.clone() }) == kept => Ok(Some(kept)),
        _ => {
            duty.commit(store.batch().put(&wanted)).await?;
            Ok(Some(wanted))
        }
    }
}

/// How far each account's journal is now.
pub(super) async fn heads(store: &Store) -> Result<HashMap<Account, u64>, DeviceError> {
    let accounts = everyone::all(store).await?;
    Ok(accounts.iter().map(|account| (account.number, store.journal_seq(account.number))).collect())
}

/// Follows the journals from these places on, and tells the driver of each change.
pub(super) async fn follow(
    devices: Devices,
    duty: Duty,
    heads: HashMap<Account, u64>,
    requests: mpsc::Sender<Request>,
    term: CancellationToken,
) {
    everyone::follow(devices.store(), &term, |account, _| {
        let from = heads.get(&account).copied().unwrap_or(0);
        one(devices.clone(), duty.clone(), account, from, requests.clone(), term.clone())
    })
    .await;
}

async fn one(
    devices: Devices,
    duty: Duty,
    account: Account,
    mut cursor: u64,
    requests: mpsc::Sender<Request>,
    term: CancellationToken,
) {
    let mut head = devices.store().journal_head(account);
    loop {
        head.borrow_and_update();
        if let Err(error) = catch_up(&devices, &duty, account, &mut cursor, &requests).await {
            tracing::error!(%error, "what is wanted of the boxes is not up to date");
        }
        tokio::select! {
            () = term.cancelled() => return,
            changed = head.changed() => if changed.is_err() {
                return;
            },
        }
    }
}

async fn catch_up(
    devices: &Devices,
    duty: &Duty,
    account: Account,
    cursor: &mut u64,
    requests: &mpsc::Sender<Request>,
) -> Result<(), DeviceError> {
    loop {
        let JournalPage { entries, reset } = devices.store().journal(account, *cursor, AT_ONCE).await?;
        let mut touched: BTreeSet<BoxId> = entries.iter().flat_map(boxes).collect();
        if reset {
            let own = devices.all().await?.into_iter().filter(|device| device.account == account);
            touched.extend(own.map(|device| device.id));
        }
        for id in touched {
            if let Some(wanted) = refresh(devices, duty, id).await? {
                // The driver ends only with the server.
                let _ = requests.send(Request::Desire { device: id, desired: wanted.message() }).await;
            }
        }
        for entry in &entries {
            let Some(device) = switched(entry) else { continue };
            // As it is now: what it was then is over.
            if let Some(now) = devices.store().get::<Device>(device).await? {
                let enabled = now.document.enabled;
                let command = AdminCommand::set_enabled(&wire_id(device), enabled);
                let (reply, _) = oneshot::channel();
                let _ = requests.send(Request::Govern { device, command, reply }).await;
            }
        }
        match entries.last() {
            Some(last) => *cursor = last.seq,
            None => return Ok(()),
        }
    }
}

/// A box that was switched on or off: whoever did that may not have reached the broker.
fn switched(entry: &Entry) -> Option<BoxId> {
    let enabled = |view: &Value| view["enabled"].as_bool();
    let (before, after) = (enabled(&entry.before)?, enabled(&entry.after)?);
    let is_new = entry.kind == Device::KIND && before != after;
    is_new.then(|| entry.id.parse().ok()).flatten()
}

/// The boxes that a change may concern.
fn boxes(entry: &Entry) -> Vec<BoxId> {
    let ids = match entry.kind.as_str() {
        "device" => vec![entry.id.as_str()],
        "event" => {
            [&entry.before, &entry.after].into_iter().filter_map(|view| view["device_id"].as_str()).collect()
        }
        _ => Vec::new(),
    };
    ids.into_iter().filter_map(|id| id.parse().ok()).collect()
}
