//! What an account decides about itself: one list of settings with defaults, read wherever they have an effect.

mod check;
mod declared;
mod document;
mod http;
mod title;
mod view;

pub use declared::{Declared, Kind, Settings};
pub use document::AccountSettings;
pub(crate) use http::{Operations, routes};
pub(crate) use title::expand as expand_title;

use crate::store::{Account, Store, StoreError};

/// An account's settings, the defaults where it has not set them.
pub(crate) async fn of(store: &Store, account: Account) -> Result<Settings, StoreError> {
    let found = store.get::<AccountSettings>(account).await?;
    Ok(found.map(|found| Settings::of(&found.document.values)).unwrap_or_default())
}
