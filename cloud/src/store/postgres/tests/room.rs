//! The server says that it has no room, or no memory.

use super::{Postgres, Thing, engine, store};
use crate::store::{Engine as _, StoreError};

/// Has the server refuse new documents with a code of its own.
fn refuse(server: &Postgres, code: &str) {
    let sql = format!(
        "CREATE OR REPLACE FUNCTION stagebox.refuse() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'no more' USING ERRCODE = '{code}'; END $$;
        CREATE OR REPLACE TRIGGER refuse BEFORE INSERT ON stagebox.document
            FOR EACH ROW WHEN (NEW.id LIKE 'big%') EXECUTE FUNCTION stagebox.refuse()"
    );
    server.run("postgres", &sql).unwrap();
}

#[tokio::test]
async fn what_the_server_lacks_is_told_apart() {
    let server = Postgres::start().unwrap();
    let engine = engine(&server, "stagebox").await;
    let store = store(&engine);
    store.create(Thing::new("a", "a", 1)).await.unwrap();
    refuse(&server, "53200");
    let away = store.create(Thing::new("big1", "b", 1)).await;
    assert!(matches!(&away, Err(StoreError::Away(words)) if words.contains("53200")), "{away:?}");
    assert!(engine.is_healthy() && engine.trouble().is_none());
    refuse(&server, "53100");
    let full = store.create(Thing::new("big2", "b", 1)).await;
    assert!(matches!(full, Err(StoreError::NoRoom)), "{full:?}");
    assert!(matches!(engine.trouble(), Some(StoreError::NoRoom)) && !engine.is_healthy());
    // What fits is taken, also beside what does not.
    let (small, big) =
        tokio::join!(store.create(Thing::new("c", "c", 1)), store.create(Thing::new("big3", "d", 1)));
    assert!(small.is_ok() && matches!(big, Err(StoreError::NoRoom)), "{small:?} {big:?}");
    assert!(store.get::<Thing>("a").await.unwrap().is_some());
    assert!(!engine.is_healthy(), "one that fits says nothing of the others");
    engine.settle().await.unwrap();
    assert!(engine.is_healthy() && engine.trouble().is_none(), "the disk has room as far as it can be seen");
    assert_eq!(server.run("postgres", "SELECT to_regclass('stagebox.room') IS NULL").unwrap(), "t");
}

/// Something is in the way of trying, as where the user may make no tables: the next write tells.
#[tokio::test]
async fn a_disk_that_may_not_be_tried_is_believed_to_have_room() {
    let server = Postgres::start().unwrap();
    let engine = engine(&server, "stagebox").await;
    refuse(&server, "53100");
    let full = store(&engine).create(Thing::new("big", "b", 1)).await;
    assert!(matches!(full, Err(StoreError::NoRoom)), "{full:?}");
    server.run("postgres", "CREATE TABLE stagebox.room (taken int)").unwrap();
    engine.settle().await.unwrap();
    assert!(engine.is_healthy());
    store(&engine).create(Thing::new("c", "c", 1)).await.unwrap();
}
