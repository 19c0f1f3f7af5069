//! What accounts may do just now, as broadcasts ask it at every segment.

use super::level::Level;
use crate::event::Record;
use crate::recording::Pause;
use crate::store::Account;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// What one account may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Quota {
    pub(crate) level: Level,
    /// Its settings say that nothing is recorded.
    pub(crate) off: bool,
}

/// All accounts' quotas, as they were found last; cloned freely.
#[derive(Debug, Clone, Default)]
pub(crate) struct Quotas(Arc<RwLock<HashMap<Account, Quota>>>);

impl Quotas {
    /// Why nothing of an event of an account is recorded now; none where it is.
    ///
    /// `record` is what the event itself has to say.
    pub(crate) fn pause(&self, account: Account, record: Record) -> Option<Pause> {
        let quota = self.of(account);
        match record {
            _ if quota.level == Level::Full => Some(Pause::Storage),
            Record::None => Some(Pause::Event),
            Record::Account if quota.off => Some(Pause::Setting),
            Record::Account | Record::Recording | Record::Dvr => None,
        }
    }

    pub(crate) fn of(&self, account: Account) -> Quota {
        let quotas = self.0.read().unwrap_or_else(PoisonError::into_inner);
        quotas.get(&account).copied().unwrap_or_default()
    }

    pub(super) fn set(&self, quotas: HashMap<Account, Quota>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = quotas;
    }
}
