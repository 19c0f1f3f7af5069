//! What people and boxes are called now, each looked up once.

use super::entry::{Actor, ActorKind};
use crate::account::{Role, User};
use crate::device::Device;
use crate::id::UserId;
use crate::store::{Account, Document, Store, StoreError};
use std::collections::HashMap;

/// Names of one account.
pub(crate) struct Names<'a> {
    store: &'a Store,
    account: Account,
    /// The only user who is named, if not all are.
    only: Option<UserId>,
    known: HashMap<String, Option<String>>,
}

impl<'a> Names<'a> {
    pub(crate) fn new(store: &'a Store, account: Account) -> Self {
        Self { store, account, only: None, known: HashMap::new() }
    }

    /// Names but one user: others have their ids only.
    pub(crate) fn of_one(store: &'a Store, account: Account, user: UserId) -> Self {
        Self { only: Some(user), ..Self::new(store, account) }
    }

    /// Who did something.
    pub(super) async fn user(&mut self, id: UserId) -> Result<Actor, StoreError> {
        let id = id.to_string();
        let kind = if self.found(&id).await?.is_some() { ActorKind::User } else { ActorKind::DeletedUser };
        let name = self.of(&id).await?;
        Ok(Actor { kind, id: Some(id), name })
    }

    /// A box that told something.
    pub(super) async fn device(&mut self, id: &str) -> Result<Actor, StoreError> {
        Ok(Actor { kind: ActorKind::Box, id: Some(id.to_owned()), name: self.of(id).await? })
    }

    /// What something with this id is called now, if it is there and has a name of its own.
    pub(super) async fn of(&mut self, id: &str) -> Result<Option<String>, StoreError> {
        let is_hidden = self.only.is_some_and(|only| id.starts_with("usr_") && id != only.to_string());
        if is_hidden { Ok(None) } else { self.found(id).await }
    }

    async fn found(&mut self, id: &str) -> Result<Option<String>, StoreError> {
        if let Some(known) = self.known.get(id) {
            return Ok(known.clone());
        }
        let name = match id.split_once('_').map(|(prefix, _)| prefix) {
            Some("usr") => self
                .get::<User>(id)
                .await?
                .map(|user| if user.name.is_empty() { user.email } else { user.name }),
            Some("box") => self.get::<Device>(id).await?.map(|device| device.name),
            Some("rol") => self.get::<Role>(id).await?.map(|role| role.name),
            _ => None,
        };
        self.known.insert(id.to_owned(), name.clone());
        Ok(name)
    }

    async fn get<D: Document>(&self, id: &str) -> Result<Option<D>, StoreError> {
        Ok(self.store.get_of::<D>(self.account, id).await?.map(|found| found.document))
    }
}
