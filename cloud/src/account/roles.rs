//! An account's roles.

use super::document::BY_ROLE;
use super::role::{BY_NAME, Role};
use super::{AccountError, Accounts, User};
use crate::access::{Caller, Permissions};
use crate::id::RoleId;
use crate::store::{Account, IndexKey, Page, Scan, StoreError, Versioned};

impl Accounts {
    pub(super) async fn roles(&self, scan: Scan) -> Result<Page<Versioned<Role>>, StoreError> {
        self.0.store.scan(scan).await
    }

    pub(super) async fn role_of(
        &self,
        account: Account,
        id: RoleId,
    ) -> Result<Versioned<Role>, AccountError> {
        let role = self.0.store.get_of::<Role>(account, id).await?;
        role.ok_or_else(|| AccountError::NotFound(format!("role {id}")))
    }

    /// The administrators' role.
    pub(super) async fn administrators_of(&self, account: Account) -> Result<Option<RoleId>, StoreError> {
        let mut after = None;
        loop {
            let all = Scan::of(BY_NAME).within(IndexKey::of(account)).after(after);
            let page = self.roles(all).await?;
            if let Some(role) = page.items.iter().find(|role| role.document.administrator) {
                return Ok(Some(role.document.id));
            }
            after = page.next;
            if after.is_none() {
                return Ok(None);
            }
        }
    }

    pub(super) async fn create_role(
        &self,
        caller: &Caller,
        name: &str,
        permissions: Permissions,
    ) -> Result<Versioned<Role>, AccountError> {
        within(caller, permissions)?;
        let batch = self.0.store.batch().by(Some(caller.user));
        let role = Role::new(caller.account, name, permissions, batch.at());
        match self.0.store.commit(batch.create(&role)).await {
            Ok(_) => Ok(Versioned { version: 1, document: role }),
            Err(StoreError::Taken { .. }) => Err(AccountError::NameTaken(role.name)),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn patch_role(
        &self,
        caller: &Caller,
        id: RoleId,
        name: Option<String>,
        permissions: Option<Permissions>,
        expected: Option<u64>,
    ) -> Result<Versioned<Role>, AccountError> {
        within(caller, permissions.unwrap_or_default())?;
        loop {
            let old = self.role_to_change(caller, id, expected).await?;
            let batch = self.0.store.batch().by(Some(caller.user));
            let mut new = old.document.clone();
            new.name = name.clone().unwrap_or(new.name);
            if let Some(permissions) = permissions {
                new.set_permissions(permissions);
            }
            if new == old.document {
                return Ok(old);
            }
            new.updated_at = batch.at();
            match self.0.store.commit(batch.update(&old, &new)).await {
                Ok(receipt) => {
                    let version = receipt.versions.first().copied().unwrap_or(old.version + 1);
                    return Ok(Versioned { version, document: new });
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(StoreError::Taken { .. }) => return Err(AccountError::NameTaken(new.name)),
                Err(error) => return Err(error.into()),
            }
        }
    }

    pub(super) async fn delete_role(
        &self,
        caller: &Caller,
        id: RoleId,
        expected: Option<u64>,
    ) -> Result<(), AccountError> {
        loop {
            let old = self.role_to_change(caller, id, expected).await?;
            let users = Scan::of(BY_ROLE).within(IndexKey::of(caller.account).text(id)).limit(1);
            if !self.0.store.scan::<User>(users).await?.items.is_empty() {
                return Err(AccountError::RoleInUse);
            }
            match self.0.store.commit(self.0.store.batch().by(Some(caller.user)).delete(&old)).await {
                Ok(_) => return Ok(()),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn role_to_change(
        &self,
        caller: &Caller,
        id: RoleId,
        expected: Option<u64>,
    ) -> Result<Versioned<Role>, AccountError> {
        let role = self.role_of(caller.account, id).await?;
        if role.document.administrator {
            return Err(AccountError::Administrators);
        }
        if expected.is_some_and(|expected| expected != role.version) {
            return Err(AccountError::ChangedMeanwhile(role.version));
        }
        within(caller, role.document.permissions())?;
        Ok(role)
    }
}

/// Nobody gives or takes what they have not.
fn within(caller: &Caller, permissions: Permissions) -> Result<(), AccountError> {
    let beyond = permissions.beyond(caller.permissions);
    if beyond.is_empty() { Ok(()) } else { Err(AccountError::Beyond(beyond)) }
}
