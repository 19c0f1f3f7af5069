//! What ends with a password and what does not, on a store of its own.

use super::letters::Letter;
use super::login::Attempt;
use super::token::Token;
use super::{AccountError, Accounts, Role, User, document};
use crate::access::{Caller, Permission, Permissions, Via};
use crate::clock::{Clock, Timestamp};
use crate::id::TokenId;
use crate::secret::Vault;
use crate::store::{Account, Store, Versioned};
use ::http::HeaderMap;

pub(crate) const PASSWORD: &str = "correct horse battery";

/// Accounts with an administrator.
pub(crate) struct Ground {
    pub(crate) store: Store,
    pub(crate) accounts: Accounts,
    pub(crate) administrator: User,
    _directory: tempfile::TempDir,
}

impl Ground {
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Clock::manual(Timestamp::from_unix_ms(1_700_000_000_000));
        let store = Store::open_sled(&directory.path().join("store"), clock.clone()).unwrap();
        let accounts = Accounts::new(store.clone(), Vault::from_key(&[7; 32]), clock);
        accounts.start("admin@example.org", |_| Ok(())).await.unwrap();
        let administrator = accounts.by_email("admin@example.org").await.unwrap();
        Self { store, accounts, administrator, _directory: directory }
    }

    /// A user who may do so much.
    pub(crate) async fn user(&self, name: &str, permissions: &[Permission]) -> User {
        let batch = self.store.batch();
        let allowed = permissions.iter().copied().collect();
        let role = Role::new(Account::FIRST, name, allowed, batch.at());
        let hash = self.accounts.0.passwords.hash(PASSWORD).await.unwrap();
        let email = format!("{name}@example.org");
        let user = User::new(Account::FIRST, &email, role.id, hash, batch.at());
        self.store.commit(batch.create(&role).create(&user)).await.unwrap();
        user
    }

    /// A user as they are now.
    pub(crate) async fn read(&self, user: &User) -> Versioned<User> {
        self.store.get::<User>(user.id).await.unwrap().unwrap()
    }

    /// Changes a user as nobody asked for it.
    pub(crate) async fn change(&self, user: &User, change: impl FnOnce(&mut User)) {
        let old = self.read(user).await;
        let mut new = old.document.clone();
        change(&mut new);
        self.store.commit(self.store.batch().update(&old, &new)).await.unwrap();
    }

    async fn token(&self, user: &User) {
        let batch = self.store.batch();
        let token = Token {
            id: TokenId::random(),
            account: user.account,
            user: user.id,
            name: "T".to_owned(),
            permissions: None,
            hash: crate::id::random_bytes(),
            created_at: batch.at(),
            expires_at: None,
            last_used_at: None,
        };
        self.store.commit(batch.create(&token)).await.unwrap();
    }

    async fn tokens(&self, user: &User) -> usize {
        self.accounts.tokens_of(user).await.unwrap().len()
    }
}

fn caller(user: &User) -> Caller {
    Caller { user: user.id, account: user.account, permissions: Permissions::all(), via: Via::Session }
}

#[tokio::test]
async fn tokens_end_with_a_password_that_another_set_and_not_with_a_change_of_ones_own() {
    let ground = Ground::new().await;
    let (accounts, admin) = (&ground.accounts, caller(&ground.administrator));
    let user = ground.user("anna", &[Permission::ChangePassword]).await;
    ground.token(&user).await;
    let headers = HeaderMap::new();
    let attempt = Attempt { headers: &headers, peer: None };
    let own = caller(&user);
    accounts.change_own_password(&own, PASSWORD, "another long one", &attempt, None).await.unwrap();
    assert_eq!(ground.tokens(&user).await, 1);
    accounts.set_password(&admin, user.id, None).await.unwrap();
    assert_eq!(ground.tokens(&user).await, 0);
    ground.token(&user).await;
    ground.token(&ground.administrator).await;
    let link = accounts.draw_reset(&ground.read(&user).await.document).await.unwrap();
    accounts.redeem_reset(&link, "a third long one").await.unwrap();
    assert_eq!((ground.tokens(&user).await, ground.tokens(&ground.administrator).await), (0, 1));
}

#[tokio::test]
async fn nobody_goes_round_what_guards_their_own_login() {
    let ground = Ground::new().await;
    let (accounts, own) = (&ground.accounts, ground.administrator.id);
    let admin = caller(&ground.administrator);
    let refused = accounts.set_password(&admin, own, None).await.unwrap_err();
    assert!(refused.to_string().contains("PUT /api/v1/session/password"), "{refused}");
    let refused = accounts.take_off_by(&admin, own).await.unwrap_err();
    assert!(refused.to_string().contains("/api/v1/second-factor/disable"), "{refused}");
    assert!(matches!(refused, AccountError::Oneself(_)));
}

#[tokio::test]
async fn a_link_to_a_new_password_ends_with_the_address_and_with_the_permission() {
    let ground = Ground::new().await;
    let accounts = &ground.accounts;
    let user = ground.user("anna", &[Permission::ChangePassword]).await;
    let link = accounts.draw_reset(&user).await.unwrap();
    ground.change(&user, |user| user.email = "ANNA@example.org".to_owned()).await;
    accounts.of_reset(&link).await.unwrap().unwrap();
    ground.change(&user, |user| user.email = "other@example.org".to_owned()).await;
    assert!(accounts.of_reset(&link).await.unwrap().is_none(), "whoever had the address before");

    let steward = ground.user("steward", &[Permission::EventsRead]).await;
    let link = accounts.draw_reset(&steward).await.unwrap();
    assert!(accounts.of_reset(&link).await.unwrap().is_none());
    accounts.redeem_reset(&link, "another long one").await.unwrap_err();
    let mail = async |email: &str| {
        let who = hex::encode(document::email_key(email));
        accounts.compose(&Letter::PasswordReset { who }, "https://x").await.unwrap()
    };
    assert!(mail("steward@example.org").await.is_none() && mail("other@example.org").await.is_some());
    let told = Letter::PasswordChanged { user: steward.id, tokens_ended: true };
    assert!(accounts.compose(&told, "https://x").await.unwrap().is_some(), "they are told all the same");
}
