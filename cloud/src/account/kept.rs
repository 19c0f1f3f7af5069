//! What the accounts keep of a user, in a form to be given out, and who may have it given out or erased.

use super::document::{BY_EMAIL, BY_USER as SESSIONS_BY_USER, email_key};
use super::login::record::{BY_USER as LOGINS_BY_USER, Login};
use super::login::session_shown;
use super::token::{BY_USER, Token};
use super::tokens_http::shown as token_shown;
use super::{AccountError, Accounts, Role, Session, User};
use crate::access::{Caller, Via};
use crate::http::ApiError;
use crate::id::UserId;
use crate::store::{Account, IndexKey, Scan, StoreError, Versioned};
use serde_json::{Value, json};

/// Logins of one user that are given out.
const LOGINS: usize = 10_000;

/// What is kept of a user.
pub(crate) struct Kept {
    pub(crate) profile: Value,
    pub(crate) sessions: Value,
    pub(crate) tokens: Value,
    pub(crate) logins: Value,
}

impl Accounts {
    /// Whoever has this address.
    pub(crate) async fn by_email(&self, email: &str) -> Result<User, AccountError> {
        let key = IndexKey::new().bytes(email_key(email));
        let found = self.0.store.find::<User>(BY_EMAIL, key).await?;
        let missing = || AccountError::NotFound(format!("user with the e-mail address {email}"));
        found.map(|found| found.document).ok_or_else(missing)
    }

    /// Makes sure that somebody may be given what is kept of a user.
    pub(crate) async fn may_look_after(&self, caller: &Caller, id: UserId) -> Result<(), AccountError> {
        let user = self.user_of(caller.account, id).await?;
        self.may_touch(caller, &user.document).await
    }

    /// Makes sure that somebody acts with all that their role allows: what is kept of them is more than a part of it.
    pub(crate) async fn demand_whole(&self, caller: &Caller) -> Result<(), ApiError> {
        let all = self.permissions_of_user(caller.account, caller.user).await?;
        if caller.via != Via::Token || all.beyond(caller.permissions).is_empty() {
            return Ok(());
        }
        Err(ApiError::forbidden(
            "this token allows a part only of what its user may do: log in, or use a token without `permissions`",
        ))
    }

    /// Makes sure that somebody may take a user away.
    pub(crate) async fn may_remove(&self, caller: &Caller, id: UserId) -> Result<(), AccountError> {
        let user = self.user_of(caller.account, id).await?;
        self.may_touch(caller, &user.document).await?;
        self.unless_last(self.0.store.batch(), &user.document, None).await.map(|_| ())
    }

    /// All that is kept of a user besides the journal.
    pub(crate) async fn kept_of(&self, account: Account, id: UserId) -> Result<Kept, AccountError> {
        let store = &self.0.store;
        let Versioned { document: user, .. } = self.user_of(account, id).await?;
        let role = store.get::<Role>(user.role).await?.map(|role| role.document);
        let factor = self.second_factor(id).await?.and_then(|factor| factor.document.confirmed_at);
        let profile = json!({
            "id": user.id, "account": user.account, "email": user.email, "name": user.name,
            "role": role.map(|role| json!({ "id": role.id, "name": role.name, "permissions": role.permissions() })),
            "api_only": user.api_only, "active": user.active, "created_at": user.created_at,
            "updated_at": user.updated_at, "password_changed_at": user.password_changed_at,
            "profile_changed_at": user.profile_changed_at, "second_factor_since": factor,
        });
        let of_user = || IndexKey::new().text(id);
        let sessions = store.scan::<Session>(Scan::of(SESSIONS_BY_USER).within(of_user())).await?.items;
        let tokens = Scan::of(BY_USER).within(IndexKey::of(account).text(id));
        let tokens = store.scan::<Token>(tokens).await?.items;
        let logins = self.logins_of(id).await?;
        Ok(Kept {
            profile,
            sessions: sessions.iter().map(|session| json!(session_shown(&session.document, None))).collect(),
            tokens: tokens.iter().map(|token| json!(token_shown(&token.document))).collect(),
            logins: logins.iter().map(login_shown).collect(),
        })
    }

    async fn logins_of(&self, id: UserId) -> Result<Vec<Login>, StoreError> {
        let (mut logins, mut after) = (Vec::new(), None);
        loop {
            let scan = Scan::of(LOGINS_BY_USER).within(IndexKey::new().text(id)).falling().after(after);
            let page = self.0.store.scan::<Login>(scan).await?;
            logins.extend(page.items.into_iter().map(|login| login.document));
            after = page.next;
            if after.is_none() || logins.len() >= LOGINS {
                return Ok(logins);
            }
        }
    }
}

fn login_shown(login: &Login) -> Value {
    json!({
        "good": login.good, "how": login.how, "count": login.count, "address": login.address,
        "browser": login.browser, "first_at": login.first_at, "last_at": login.last_at,
    })
}
