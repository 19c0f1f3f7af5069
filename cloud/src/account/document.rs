//! What the store keeps of users and sessions.

use crate::clock::Timestamp;
use crate::id::{RoleId, SessionId, UserId};
use crate::store::{Account, Document, Index, IndexKey, Owner, sort_key};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::net::IpAddr;

/// The index of users by e-mail address.
pub(super) const BY_EMAIL: &str = "email";
/// The index of an account's users, the oldest first.
pub(super) const BY_AGE: &str = "age";
/// The index of an account's users by role.
pub(super) const BY_ROLE: &str = "role";
/// The index of an account's users by role, the oldest first.
pub(super) const BY_ROLE_AND_AGE: &str = "role_age";
/// The index of an account's users by e-mail address, exactly.
pub(super) const BY_OWN_EMAIL: &str = "account_email";
/// The index of an account's users in the order of their e-mail addresses.
pub(super) const IN_ORDER: &str = "email_order";
/// The index of sessions by their end.
pub(super) const BY_END: &str = "end";
/// The index of sessions by user, the oldest first.
pub(super) const BY_USER: &str = "user";

/// Somebody who can log in.
#[derive(Clone, Serialize, Deserialize)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// Whose things they see.
    pub account: Account,
    /// What they log in with; nobody else of the installation has it.
    pub email: String,
    /// What they are called; may be empty.
    pub name: String,
    /// What they may do.
    pub role: RoleId,
    /// A program: it uses the API and has no session.
    pub api_only: bool,
    /// Whoever is not active cannot log in.
    pub active: bool,
    /// Argon2id, in the PHC string format.
    pub(super) password_hash: String,
    /// Whether the pages ask for a code after the password; HTTP Basic is closed then.
    #[serde(default)]
    pub second_factor: bool,
    /// When the password was last changed.
    #[serde(default)]
    pub password_changed_at: Option<Timestamp>,
    /// When the name or the address was last changed.
    #[serde(default)]
    pub profile_changed_at: Option<Timestamp>,
    /// When they were made.
    pub created_at: Timestamp,
    /// When they were last changed.
    pub updated_at: Timestamp,
}

impl User {
    pub(super) fn new(account: Account, email: &str, role: RoleId, hash: String, now: Timestamp) -> Self {
        Self {
            id: UserId::random(),
            account,
            email: email.trim().to_owned(),
            name: String::new(),
            role,
            api_only: false,
            active: true,
            password_hash: hash,
            second_factor: false,
            password_changed_at: None,
            profile_changed_at: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// Takes another password.
    pub(super) fn set_password_hash(&mut self, hash: &str, now: Timestamp) {
        hash.clone_into(&mut self.password_hash);
        self.password_changed_at = Some(now);
    }

    /// What tells whether it is still the same password, and the same address that a link to a new one was sent to.
    pub(super) fn password_print(&self) -> String {
        let address = hex::encode(email_key(&self.email));
        hex::encode(Sha256::digest(format!("password print of {} at {address}", self.password_hash)))
    }

    /// Whether they can log in now with what was shown when they were as in `then`.
    pub(super) fn is_shown_as(&self, then: &Self) -> bool {
        self.can_enter()
            && self.password_hash == then.password_hash
            && self.second_factor == then.second_factor
    }

    /// Whether they can log in to the pages.
    pub(super) fn can_enter(&self) -> bool {
        self.active && !self.api_only
    }
}

/// What an address is found by, however long it is and however it is capitalised.
pub(super) fn email_key(email: &str) -> [u8; 32] {
    Sha256::digest(email.trim().to_lowercase()).into()
}

/// What a list of users is filtered by for an address.
pub(super) fn email_print(email: &str) -> String {
    hex::encode(&email_key(email)[..16])
}

impl Document for User {
    const KIND: &'static str = "user";
    /// Before accounts, a user belonged to none.
    const SCHEMA: u32 = 2;
    /// Before lists could be sorted and filtered there was one by age only.
    const INDEXES: u32 = 2;

    fn owner(&self) -> Owner {
        Owner::Account(self.account)
    }

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn indexes(&self) -> Vec<Index> {
        let own = || IndexKey::of(self.account);
        vec![
            Index::unique(BY_EMAIL, IndexKey::new().bytes(email_key(&self.email))),
            Index::many(BY_AGE, own().time(self.created_at)),
            Index::many(BY_ROLE, own().text(self.role)),
            Index::many(BY_ROLE_AND_AGE, own().text(self.role).time(self.created_at)),
            Index::many(BY_OWN_EMAIL, own().text(email_print(&self.email))),
            Index::many(IN_ORDER, own().text(sort_key(&self.email))),
        ]
    }

    /// By id only: an entry of the journal outlives the user.
    fn journal_view(&self) -> Value {
        json!({
            "id": self.id, "role": self.role, "api_only": self.api_only, "active": self.active,
            "created_at": self.created_at, "second_factor": self.second_factor,
            "password_changed_at": self.password_changed_at, "profile_changed_at": self.profile_changed_at,
        })
    }
}

/// A login that lasts; the token itself is known to the browser only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The SHA-256 of the token, in hexadecimal.
    pub token_hash: String,
    /// Whose.
    pub user: UserId,
    /// When they logged in.
    pub created_at: Timestamp,
    /// When it ends, unless it is used before.
    pub ends_at: Timestamp,
    /// When it was last used, to ten minutes.
    #[serde(default)]
    pub last_seen_at: Timestamp,
    /// Where it was used from then.
    #[serde(default)]
    pub address: Option<IpAddr>,
    /// What the browser calls itself.
    #[serde(default)]
    pub browser: String,
}

impl Session {
    /// What it is called towards its user: nobody finds the token by it.
    pub fn public_id(&self) -> SessionId {
        let hash: [u8; 32] = Sha256::digest(format!("name of the session {}", self.token_hash)).into();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        SessionId::from_random(bytes)
    }
}

impl Document for Session {
    const KIND: &'static str = "session";
    const JOURNALED: bool = false;

    fn owner(&self) -> Owner {
        Owner::of(self.user)
    }

    fn id(&self) -> String {
        self.token_hash.clone()
    }

    fn indexes(&self) -> Vec<Index> {
        vec![
            Index::many(BY_END, IndexKey::new().time(self.ends_at)),
            Index::many(BY_USER, IndexKey::new().text(self.user).time(self.created_at)),
        ]
    }
}
