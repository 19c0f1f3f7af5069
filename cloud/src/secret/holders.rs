//! Which documents hold sealed secrets: none can seal one without standing here.

use super::{Sealing, SecretError};
use crate::account::SecondFactor;
use crate::event::Event;
use crate::hook::Hook;
use crate::idempotency::KeyedRequest;
use crate::simulcast::Simulcast;
use crate::store::{Document, Store, StoreError};
use futures_util::future::BoxFuture;

/// A kind of document that holds sealed secrets.
///
/// [`Sealing::seal`] asks for it when it is compiled, and a change of keys that finds a secret elsewhere keeps the old
/// key.
pub trait HoldsSecrets: Document + Clone {
    /// Seals each secret anew that is not under the present key, with what else depends on the key; whether there was one.
    ///
    /// # Errors
    /// A secret does not open.
    fn reseal(&mut self, sealing: &Sealing<'_>) -> Result<bool, SecretError>;
}

/// Seals a document's secrets anew; whether there were any.
type Reseal = for<'a> fn(&'a Store, String, &'a Sealing<'a>) -> BoxFuture<'a, Result<bool, SecretError>>;

/// How a kind's secrets are sealed anew.
#[derive(Clone, Copy)]
pub(super) struct Holder {
    pub(super) kind: &'static str,
    pub(super) reseal: Reseal,
}

/// All of them.
pub(super) const HOLDERS: [Holder; 5] = [
    Holder::of::<Event>(),
    Holder::of::<Hook>(),
    Holder::of::<SecondFactor>(),
    Holder::of::<KeyedRequest>(),
    Holder::of::<Simulcast>(),
];

impl Holder {
    const fn of<D: HoldsSecrets>() -> Self {
        Self { kind: D::KIND, reseal: reseal::<D> }
    }
}

/// Whether a kind is in the list; for the compiler.
pub(super) const fn is_listed(kind: &str) -> bool {
    let mut index = 0;
    while index < HOLDERS.len() {
        if is_same(HOLDERS[index].kind.as_bytes(), kind.as_bytes()) {
            return true;
        }
        index += 1;
    }
    false
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    let mut index = 0;
    while index < one.len() && index < other.len() && one[index] == other[index] {
        index += 1;
    }
    index == one.len() && index == other.len()
}

fn reseal<'a, D: HoldsSecrets>(
    store: &'a Store,
    id: String,
    sealing: &'a Sealing<'a>,
) -> BoxFuture<'a, Result<bool, SecretError>> {
    Box::pin(async move {
        loop {
            let Some(old) = store.get::<D>(&id).await? else { return Ok(false) };
            let mut new = old.document.clone();
            if !new.reseal(sealing)? {
                return Ok(false);
            }
            match store.commit(store.batch().rewrite(&old, &new)).await {
                Ok(_) => return Ok(true),
                // Somebody has just changed it.
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    })
}
