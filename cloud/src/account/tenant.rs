//! An account: whose things are kept apart from everybody else's.

use crate::clock::Timestamp;
use crate::id::AccountId;
use crate::store::{Account, Document, Index, IndexKey, Owner};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The index of all accounts by number.
pub(super) const BY_NUMBER: &str = "number";

/// What an account may use; absent where nothing limits it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = AccountLimits)]
pub struct Limits {
    /// Media in the store, in GiB.
    #[schema(required)]
    pub storage_gib: Option<u64>,
    /// Events that are started at a time.
    #[schema(required)]
    pub events_at_once: Option<u64>,
    /// Broadcasts that come in at a time; an event's main and backup are two.
    #[schema(required)]
    pub broadcasts_at_once: Option<u64>,
    /// Of one broadcast, over ten seconds, in kbit/s.
    #[schema(required)]
    pub broadcast_kbps: Option<u64>,
    /// Days that recordings are kept.
    #[schema(required)]
    pub recording_days: Option<u64>,
    /// One upload, in GiB.
    #[schema(required)]
    pub upload_gib: Option<u64>,
}

/// Says that an upload is larger than the account may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an upload may have {limit_gib} GiB at most: the account's limit")]
pub struct UploadTooLarge {
    /// In GiB.
    pub limit_gib: u64,
}

impl Limits {
    /// Whether one upload may be so large.
    ///
    /// # Errors
    /// It may not.
    pub fn admit_upload(&self, bytes: u64) -> Result<(), UploadTooLarge> {
        match self.upload_gib {
            Some(limit_gib) if bytes > limit_gib.saturating_mul(1 << 30) => Err(UploadTooLarge { limit_gib }),
            _ => Ok(()),
        }
    }
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRecord {
    /// Its number.
    pub number: Account,
    /// Its name.
    pub name: String,
    /// What it may use.
    pub limits: Limits,
    /// Nobody of it may log in, and none of its events takes a broadcast.
    pub suspended: bool,
    /// What it is called in public addresses.
    pub public_id: AccountId,
    /// It is being deleted, and never comes back.
    #[serde(default)]
    pub deleting: bool,
    /// Since when recordings are kept for so many days only: older ones are left for a day from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording_days_since: Option<Timestamp>,
    /// Goes up with each change of who administers it: two such changes at a time cannot lock everybody out.
    pub administration: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl AccountRecord {
    pub(crate) fn new(number: Account, name: &str, now: Timestamp) -> Self {
        Self {
            number,
            name: name.to_owned(),
            limits: Limits::default(),
            suspended: false,
            public_id: AccountId::random(),
            deleting: false,
            recording_days_since: None,
            administration: 0,
            created_at: now,
            updated_at: now,
        }
    }

    /// Notes that recordings are kept for another number of days from now on; more days want no grace.
    pub(crate) fn days_changed(&mut self, before: Option<u64>, now: Timestamp) {
        let after = self.limits.recording_days;
        if after == before {
            return;
        }
        match (before, after) {
            (_, None) => self.recording_days_since = None,
            (Some(before), Some(after)) if after > before => {}
            (_, Some(_)) => self.recording_days_since = Some(now),
        }
    }

    /// With another change of who administers it.
    pub(super) fn administered(&self) -> Self {
        Self { administration: self.administration + 1, ..self.clone() }
    }
}

impl Document for AccountRecord {
    const KIND: &'static str = "account";

    fn owner(&self) -> Owner {
        Owner::Account(self.number)
    }

    fn id(&self) -> String {
        self.number.to_string()
    }

    fn indexes(&self) -> Vec<Index> {
        vec![Index::unique(BY_NUMBER, IndexKey::new().number(self.number.0))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_is_held_to_its_limit() {
        let limits = |upload_gib| Limits { upload_gib, ..Limits::default() };
        assert!(limits(None).admit_upload(u64::MAX).is_ok());
        assert!(limits(Some(2)).admit_upload(2 << 30).is_ok());
        let refused = limits(Some(2)).admit_upload((2 << 30) + 1).unwrap_err();
        assert!(refused.to_string().contains("2 GiB"), "{refused}");
        assert!(limits(Some(0)).admit_upload(0).is_ok() && limits(Some(0)).admit_upload(1).is_err());
        assert!(limits(Some(u64::MAX)).admit_upload(u64::MAX).is_ok());
    }

    #[test]
    fn fewer_days_begin_a_grace_and_more_do_not() {
        let (then, now) = (Timestamp::from_unix_ms(1), Timestamp::from_unix_ms(2));
        let mut account = AccountRecord::new(Account(2), "B", then);
        let to = |account: &mut AccountRecord, days| {
            let before = std::mem::replace(&mut account.limits.recording_days, days);
            account.days_changed(before, now);
            account.recording_days_since
        };
        assert_eq!(to(&mut account, Some(30)), Some(now));
        account.recording_days_since = Some(then);
        assert_eq!(to(&mut account, Some(30)), Some(then));
        assert_eq!(to(&mut account, Some(60)), Some(then));
        assert_eq!(to(&mut account, Some(20)), Some(now));
        assert_eq!(to(&mut account, None), None);
    }
}
