//! An account's users: made, changed and taken away, and never so that nobody can administer it.

use super::document::BY_ROLE;
use super::letters::Letter;
use super::login::record::How;
use super::login::{Attempt, password};
use super::role::Role;
use super::tenant::AccountRecord;
use super::token::{BY_USER, Token};
use super::{AccountError, Accounts, User};
use crate::access::Caller;
use crate::clock::Timestamp;
use crate::http::ApiError;
use crate::id::{RoleId, UserId};
use crate::personal::Export;
use crate::store::{Account, Batch, IndexKey, Page, Scan, StoreError, Versioned, rider};
use http::StatusCode;

/// What a new user is made of.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// What they log in with.
    pub email: String,
    /// What they are called.
    pub name: String,
    /// What they may do.
    pub role: RoleId,
    /// Whether it is a program.
    pub api_only: bool,
    /// Drawn if absent.
    pub password: Option<String>,
}

/// What is to be changed of a user.
#[derive(Debug, Clone, Default)]
pub struct PatchUser {
    /// The address.
    pub email: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// The role.
    pub role: Option<RoleId>,
    /// Whether it is a program.
    pub api_only: Option<bool>,
    /// Whether they can log in.
    pub active: Option<bool>,
}

impl Accounts {
    /// A part of a list of users.
    pub(super) async fn users(&self, scan: Scan) -> Result<Page<Versioned<User>>, StoreError> {
        self.0.store.scan(scan).await
    }

    /// Reads a user of an account.
    pub(crate) async fn user_of(
        &self,
        account: Account,
        id: UserId,
    ) -> Result<Versioned<User>, AccountError> {
        let user = self.0.store.get_of::<User>(account, id).await?;
        user.ok_or_else(|| AccountError::NotFound(format!("user {id}")))
    }

    /// Makes a user; the password is returned if it was drawn.
    pub(super) async fn create_user(
        &self,
        caller: &Caller,
        new: NewUser,
    ) -> Result<(Versioned<User>, Option<String>), AccountError> {
        self.role_to_give(caller, new.role).await?;
        let drawn = new.password.is_none().then(password::random);
        let password = new.password.or_else(|| drawn.clone()).unwrap_or_default();
        let hash = self.0.passwords.hash(&password).await?;
        let batch = self.0.store.batch().by(Some(caller.user));
        let user = User {
            name: new.name,
            api_only: new.api_only,
            ..User::new(caller.account, &new.email, new.role, hash, batch.at())
        };
        match self.0.store.commit(batch.create(&user)).await {
            Ok(_) => Ok((Versioned { version: 1, document: user }, drawn)),
            Err(StoreError::Taken { .. }) => Err(AccountError::EmailTaken(user.email)),
            Err(error) => Err(error.into()),
        }
    }

    /// Changes a user.
    pub(super) async fn patch_user(
        &self,
        caller: &Caller,
        id: UserId,
        patch: PatchUser,
        expected: Option<u64>,
    ) -> Result<Versioned<User>, AccountError> {
        if let Some(role) = patch.role {
            self.role_to_give(caller, role).await?;
        }
        let change = |user: &mut User, now| {
            let before = (user.email.clone(), user.name.clone());
            user.email = patch.email.clone().unwrap_or_else(|| user.email.clone());
            user.name = patch.name.clone().unwrap_or_else(|| user.name.clone());
            if before != (user.email.clone(), user.name.clone()) {
                user.profile_changed_at = Some(now);
            }
            user.role = patch.role.unwrap_or(user.role);
            user.api_only = patch.api_only.unwrap_or(user.api_only);
            user.active = patch.active.unwrap_or(user.active);
        };
        self.change_user(caller, id, expected, change, None).await
    }

    /// Gives another user a password, drawn if absent, ends their sessions and takes their tokens back.
    pub(super) async fn set_password(
        &self,
        caller: &Caller,
        id: UserId,
        password: Option<String>,
    ) -> Result<Option<String>, AccountError> {
        if caller.user == id {
            return Err(AccountError::Oneself(
                "password is changed with PUT /api/v1/session/password, by the present one",
            ));
        }
        let drawn = password.is_none().then(password::random);
        let password = password.or_else(|| drawn.clone()).unwrap_or_default();
        let hash = self.0.passwords.hash(&password).await?;
        let change = |user: &mut User, now| user.set_password_hash(&hash, now);
        let told = Letter::PasswordChanged { user: id, tokens_ended: true };
        let changed = self.change_user(caller, id, None, change, Some(told)).await?;
        self.end_all_sessions(id).await?;
        self.end_tokens(&changed.document, caller.user).await?;
        Ok(drawn)
    }

    /// Changes the caller's own password, and ends their sessions but the one of the `kept` token.
    pub(super) async fn change_own_password(
        &self,
        caller: &Caller,
        current: &str,
        new: &str,
        attempt: &Attempt<'_>,
        kept: Option<&str>,
    ) -> Result<(), ApiError> {
        let user = self.user_of(caller.account, caller.user).await?;
        if let Err(error) = self.check(&user.document.email, current, attempt, How::Again).await {
            let is_wrong = error.status() == StatusCode::UNAUTHORIZED;
            return Err(if is_wrong { ApiError::field("current", "is not your password") } else { error });
        }
        let hash = self.0.passwords.hash(new).await?;
        let change = |user: &mut User, now| user.set_password_hash(&hash, now);
        let told = Some(Letter::PasswordChanged { user: caller.user, tokens_ended: false });
        self.change_user(caller, caller.user, Some(user.version), change, told).await?;
        self.end_sessions_but(caller.user, kept).await?;
        Ok(())
    }

    async fn change_user(
        &self,
        caller: &Caller,
        id: UserId,
        expected: Option<u64>,
        change: impl Fn(&mut User, Timestamp),
        told: Option<Letter>,
    ) -> Result<Versioned<User>, AccountError> {
        loop {
            let old = self.user_of(caller.account, id).await?;
            if expected.is_some_and(|expected| expected != old.version) {
                return Err(AccountError::ChangedMeanwhile(old.version));
            }
            self.may_touch(caller, &old.document).await?;
            let batch = self.0.store.batch().by(Some(caller.user));
            let mut new = old.document.clone();
            change(&mut new, batch.at());
            new.updated_at = batch.at();
            let batch = self.unless_last(batch, &old.document, Some(&new)).await?;
            let batch = match &told {
                Some(letter) => self.0.outbox.post(batch, letter)?,
                None => batch,
            };
            let batch = match told {
                Some(Letter::PasswordChanged { tokens_ended: true, .. }) => {
                    self.tokens_of(&old.document).await?.iter().fold(batch, Batch::delete)
                }
                _ => batch,
            };
            match self.0.store.commit(batch.update(&old, &new)).await {
                Ok(receipt) => {
                    self.0.outbox.wake();
                    if !new.can_enter() {
                        self.end_all_sessions(id).await?;
                    }
                    let version = receipt.versions.last().copied().unwrap_or(old.version + 1);
                    return Ok(Versioned { version, document: new });
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(StoreError::Taken { .. }) => return Err(AccountError::EmailTaken(new.email)),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Takes a user away, with all that names them: sessions, tokens, second factor, logins, exports.
    pub(super) async fn delete_user(
        &self,
        caller: &Caller,
        id: UserId,
        expected: Option<u64>,
    ) -> Result<(), AccountError> {
        let user = self.user_of(caller.account, id).await?;
        self.may_touch(caller, &user.document).await?;
        self.remove_user(caller.account, Some(caller.user), id, expected).await
    }

    /// As [`Accounts::delete_user`], for whoever may.
    pub(crate) async fn remove_user(
        &self,
        account: Account,
        by: Option<UserId>,
        id: UserId,
        expected: Option<u64>,
    ) -> Result<(), AccountError> {
        loop {
            let old = self.user_of(account, id).await?;
            if expected.is_some_and(|expected| expected != old.version) {
                return Err(AccountError::ChangedMeanwhile(old.version));
            }
            // Before anything of theirs is forgotten: whoever has to stay keeps it.
            self.unless_last(self.0.store.batch(), &old.document, None).await?;
            self.forget_traces(id).await?;
            let tokens = self.tokens_of(&old.document).await?;
            let factor = self.second_factor(id).await?;
            let batch = self.0.store.batch().by(by);
            let batch = self.unless_last(batch, &old.document, None).await?;
            let batch = factor.iter().fold(tokens.iter().fold(batch, Batch::delete), Batch::delete);
            match self.0.store.commit(batch.delete(&old)).await {
                Ok(_) => {
                    // What was begun before is over by now.
                    return Ok(self.forget_traces(id).await?);
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// All tokens of a user, of which there are 50 at most.
    pub(super) async fn tokens_of(&self, user: &User) -> Result<Vec<Versioned<Token>>, StoreError> {
        let own = Scan::of(BY_USER).within(IndexKey::of(user.account).text(user.id)).limit(200);
        Ok(self.0.store.scan::<Token>(own).await?.items)
    }

    /// Takes a user's tokens back, also those that a session made while it was ended.
    pub(super) async fn end_tokens(&self, user: &User, by: UserId) -> Result<(), StoreError> {
        loop {
            let tokens = self.tokens_of(user).await?;
            let batch = self.0.store.batch().by(Some(by));
            match self.0.store.commit(tokens.iter().fold(batch, Batch::delete)).await {
                Ok(_) => return Ok(()),
                // One was used meanwhile.
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Ends and forgets what is kept of a user beside the user; that alone is not the deletion yet.
    pub(crate) async fn forget_traces(&self, id: UserId) -> Result<(), StoreError> {
        rider::aside(async {
            self.end_all_sessions(id).await?;
            self.end_resets(id).await?;
            self.forget_logins_of(id).await?;
            Export::forget_of(&self.0.store, id).await
        })
        .await
    }

    /// A role that the caller may give: it allows nothing that they may not do themselves.
    async fn role_to_give(&self, caller: &Caller, id: RoleId) -> Result<Role, AccountError> {
        let role = self.role_of(caller.account, id).await?.document;
        let beyond = role.permissions().beyond(caller.permissions);
        if beyond.is_empty() { Ok(role) } else { Err(AccountError::Beyond(beyond)) }
    }

    /// Whoever may do more is not for those to change who may do less.
    pub(super) async fn may_touch(&self, caller: &Caller, user: &User) -> Result<(), AccountError> {
        let role = self.0.store.get::<Role>(user.role).await?;
        let beyond =
            role.map(|role| role.document.permissions()).unwrap_or_default().beyond(caller.permissions);
        if beyond.is_empty() { Ok(()) } else { Err(AccountError::Beyond(beyond)) }
    }

    /// Adds to a batch what makes it fail if another one takes an administrator away at the same time.
    pub(super) async fn unless_last(
        &self,
        batch: Batch,
        before: &User,
        after: Option<&User>,
    ) -> Result<Batch, AccountError> {
        let administrators = self.administrators_of(before.account).await?;
        let Some(role) = administrators else { return Ok(batch) };
        let is_one = |user: &User| user.role == role && user.can_enter();
        if !is_one(before) || after.is_some_and(is_one) {
            return Ok(batch);
        }
        let account = self.0.store.get::<AccountRecord>(before.account).await?;
        let Some(account) = account else { return Ok(batch) };
        let mut place = None;
        loop {
            let scan = Scan::of(BY_ROLE).within(IndexKey::of(before.account).text(role)).after(place);
            let page = self.0.store.scan::<User>(scan).await?;
            if page.items.iter().any(|user| user.document.id != before.id && is_one(&user.document)) {
                return Ok(batch.update(&account, &account.document.administered()));
            }
            place = page.next;
            if place.is_none() {
                return Err(AccountError::LastAdministrator);
            }
        }
    }
}
