//! The statements of the committer's connection.
//!
//! They are planned once, perhaps on empty tables, and serve when the tables are large: so each is written in a way
//! that leaves the planner no choice but the primary key (`LATERAL` row by row, `ON CONFLICT`, rows by `ctid`).

/// A statement, by its place on the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Sql {
    MakeHeads,
    LockHeads,
    Draw,
    LockDocuments,
    FindPlaces,
    Leave,
    Remove,
    Create,
    Replace,
    Take,
    TakeOver,
    AddEntries,
    PutEntries,
    DropEntries,
    MoveHeads,
    PutCounters,
    Tell,
    Mark,
}

/// The texts, in the order of [`Sql`].
pub(super) const TEXTS: [&str; 18] = [
    // MakeHeads
    "INSERT INTO journal_head (account, seq, oldest) SELECT account, 0, 1 FROM unnest($1::bigint[]) AS w (account)
     ON CONFLICT DO NOTHING",
    // LockHeads: in the order of the accounts, so that processes do not wait for each other in a circle.
    "SELECT h.account, h.seq, h.oldest FROM unnest($1::bigint[]) AS w (account), LATERAL (
         SELECT account, seq, oldest FROM journal_head WHERE account = w.account FOR UPDATE
     ) h",
    // Draw
    "INSERT INTO counter (name, value) SELECT * FROM unnest($1::text[], $2::bigint[])
     ON CONFLICT (name) DO UPDATE SET value = counter.value + excluded.value RETURNING name, value",
    // LockDocuments: in the order of their kinds and ids.
    "SELECT d.kind, d.id, d.version, d.indexes FROM unnest($1::text[], $2::text[]) AS w (kind, id), LATERAL (
         SELECT kind, id, version, indexes FROM document WHERE kind = w.kind AND id = w.id FOR UPDATE
     ) d",
    // FindPlaces
    FIND_PLACES,
    // Leave: only what is still the document's own.
    "DELETE FROM document_index WHERE ctid = ANY (ARRAY (
         SELECT i.place FROM unnest($1::text[], $2::text[], $3::bytea[], $4::text[]) AS w (kind, name, place, id),
         LATERAL (
             SELECT ctid AS place FROM document_index
             WHERE kind = w.kind AND name = w.name AND place = w.place AND id = w.id OFFSET 0
         ) i
     ))",
    // Remove
    "DELETE FROM document WHERE ctid = ANY (ARRAY (
         SELECT d.place FROM unnest($1::text[], $2::text[]) AS w (kind, id),
         LATERAL (SELECT ctid AS place FROM document WHERE kind = w.kind AND id = w.id OFFSET 0) d
     ))",
    // Create: fails where another process was quicker.
    "INSERT INTO document (kind, id, version, schema, indexes, body)
     SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bytea[], $6::bytea[])",
    // Replace
    "INSERT INTO document (kind, id, version, schema, indexes, body)
     SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bytea[], $6::bytea[])
     ON CONFLICT (kind, id) DO UPDATE SET version = excluded.version, schema = excluded.schema,
         indexes = excluded.indexes, body = excluded.body",
    // Take: fails where another process was quicker.
    "INSERT INTO document_index (kind, name, place, id)
     SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::text[])",
    // TakeOver
    "INSERT INTO document_index (kind, name, place, id)
     SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::text[])
     ON CONFLICT (kind, name, place) DO UPDATE SET id = excluded.id",
    // AddEntries
    "INSERT INTO journal (account, seq, entry) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[])",
    // PutEntries
    "INSERT INTO journal (account, seq, entry) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[])
     ON CONFLICT (account, seq) DO UPDATE SET entry = excluded.entry",
    // DropEntries
    "DELETE FROM journal WHERE ctid = ANY (ARRAY (
         SELECT j.place FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS w (account, low, high),
         LATERAL (
             SELECT ctid AS place FROM journal
             WHERE account = w.account AND seq >= w.low AND seq < w.high OFFSET 0
         ) j
     ))",
    // MoveHeads
    "INSERT INTO journal_head (account, seq, oldest) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])
     ON CONFLICT (account) DO UPDATE SET seq = excluded.seq, oldest = excluded.oldest",
    // PutCounters
    "INSERT INTO counter (name, value) SELECT * FROM unnest($1::text[], $2::bigint[])
     ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    // Tell
    "SELECT pg_notify($1, account || ':' || seq) FROM unnest($2::bigint[], $3::bigint[]) AS w (account, seq)",
    // Mark
    "UPDATE node SET committed = $2 WHERE id = $1",
];

/// Who has these places in indexes.
pub(super) const FIND_PLACES: &str =
    "SELECT i.kind, i.name, i.place, i.id FROM unnest($1::text[], $2::text[], $3::bytea[]) AS w (kind, name, place),
     LATERAL (
         SELECT kind, name, place, id FROM document_index
         WHERE kind = w.kind AND name = w.name AND place = w.place OFFSET 0
     ) i";
