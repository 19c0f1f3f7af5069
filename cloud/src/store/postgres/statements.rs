//! The statements of the committer's connection.

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
    Change,
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
pub(super) const TEXTS: [&str; 19] = [
    // MakeHeads
    "INSERT INTO journal_head (account, seq, oldest) SELECT account, 0, 1 FROM unnest($1::bigint[]) AS w (account)
     ON CONFLICT DO NOTHING",
    // LockHeads: in the order of the accounts, so that processes do not wait for each other in a circle.
    "SELECT account, seq, oldest FROM journal_head WHERE account = ANY ($1::bigint[]) ORDER BY account FOR UPDATE",
    // Draw
    "INSERT INTO counter (name, value) SELECT * FROM unnest($1::text[], $2::bigint[])
     ON CONFLICT (name) DO UPDATE SET value = counter.value + excluded.value RETURNING name, value",
    // LockDocuments
    "SELECT d.kind, d.id, d.version, d.indexes FROM unnest($1::text[], $2::text[]) AS w (kind, id)
     JOIN document d ON d.kind = w.kind AND d.id = w.id ORDER BY d.kind, d.id FOR UPDATE OF d",
    // FindPlaces
    "SELECT i.kind, i.name, i.place, i.id FROM unnest($1::text[], $2::text[], $3::bytea[]) AS w (kind, name, place)
     JOIN document_index i ON i.kind = w.kind AND i.name = w.name AND i.place = w.place",
    // Leave: only what is still the document's own.
    "DELETE FROM document_index i
     USING unnest($1::text[], $2::text[], $3::bytea[], $4::text[]) AS w (kind, name, place, id)
     WHERE i.kind = w.kind AND i.name = w.name AND i.place = w.place AND i.id = w.id",
    // Remove
    "DELETE FROM document d USING unnest($1::text[], $2::text[]) AS w (kind, id)
     WHERE d.kind = w.kind AND d.id = w.id",
    // Change
    "UPDATE document d SET version = w.version, schema = w.schema, indexes = w.indexes, body = w.body
     FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bytea[], $6::bytea[])
         AS w (kind, id, version, schema, indexes, body)
     WHERE d.kind = w.kind AND d.id = w.id",
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
    "DELETE FROM journal j USING unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS w (account, low, high)
     WHERE j.account = w.account AND j.seq >= w.low AND j.seq < w.high",
    // MoveHeads
    "UPDATE journal_head h SET seq = w.seq, oldest = w.oldest
     FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS w (account, seq, oldest) WHERE h.account = w.account",
    // PutCounters
    "INSERT INTO counter (name, value) SELECT * FROM unnest($1::text[], $2::bigint[])
     ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    // Tell
    "SELECT pg_notify($1, account || ':' || seq) FROM unnest($2::bigint[], $3::bigint[]) AS w (account, seq)",
    // Mark
    "UPDATE node SET committed = $2 WHERE id = $1",
];
