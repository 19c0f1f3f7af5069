//! Roles: named sets of permissions that an account gives to its users.

use crate::access::{Permission, Permissions};
use crate::clock::Timestamp;
use crate::id::RoleId;
use crate::store::{Account, Document, Index, IndexKey, Owner, sort_key};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The index of an account's roles by name.
pub(super) const BY_NAME: &str = "name";

/// The index of an account's roles in the order of their names.
pub(super) const IN_ORDER: &str = "name_order";
/// The index of an account's roles, the oldest first.
pub(super) const BY_AGE: &str = "age";

/// A role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Its id.
    pub id: RoleId,
    /// Whose.
    pub account: Account,
    /// Its name.
    pub name: String,
    /// What it allows, but for the administrators' role.
    permissions: Permissions,
    /// The administrators' role allows everything, today's and tomorrow's, and stays as it is.
    pub administrator: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Role {
    pub(super) fn new(account: Account, name: &str, permissions: Permissions, now: Timestamp) -> Self {
        Self {
            id: RoleId::random(),
            account,
            name: name.to_owned(),
            permissions,
            administrator: false,
            created_at: now,
            updated_at: now,
        }
    }

    /// What it allows.
    pub fn permissions(&self) -> Permissions {
        if self.administrator { allowed(self.account) } else { self.permissions.and(allowed(self.account)) }
    }

    pub(super) fn set_permissions(&mut self, permissions: Permissions) {
        self.permissions = permissions;
    }

    /// The roles that an account begins with; the administrators' first.
    pub(super) fn first(account: Account, now: Timestamp) -> Vec<Self> {
        use Permission::*;
        let of = |name: &str, permissions: &[Permission]| {
            Self::new(account, name, permissions.iter().copied().collect(), now)
        };
        let administrator = Self { administrator: true, ..of("Administrator", &[]) };
        vec![
            administrator,
            of(
                "Producer",
                &[
                    EventsRead,
                    EventsWrite,
                    EventsRun,
                    RecordingsRead,
                    ItemsRead,
                    ItemsWrite,
                    DevicesRead,
                    DevicesControl,
                    JobsRead,
                    JobsWrite,
                    ChangePassword,
                ],
            ),
            of("Crew", &[EventsRead, EventsRun, DevicesRead, DevicesControl, ChangePassword]),
            of("Viewer", &[EventsRead, RecordingsRead, ItemsRead, ChangePassword]),
        ]
    }
}

/// What anybody of an account can be allowed: the servers belong to the first account's administrators.
pub(super) fn allowed(account: Account) -> Permissions {
    let servers = [Permission::ServerRead, Permission::ServerWrite].into_iter().collect();
    if account == Account::FIRST { Permissions::all() } else { Permissions::all().beyond(servers) }
}

impl Document for Role {
    const KIND: &'static str = "role";
    /// At first there was one by name only, which has no order.
    const INDEXES: u32 = 2;

    fn owner(&self) -> Owner {
        Owner::Account(self.account)
    }

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn indexes(&self) -> Vec<Index> {
        let name: [u8; 32] = Sha256::digest(self.name.to_lowercase()).into();
        let own = || IndexKey::of(self.account);
        vec![
            Index::unique(BY_NAME, own().bytes(name)),
            Index::many(IN_ORDER, own().text(sort_key(&self.name))),
            Index::many(BY_AGE, own().time(self.created_at)),
        ]
    }
}
