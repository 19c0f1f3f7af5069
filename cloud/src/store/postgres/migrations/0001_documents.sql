-- Documents, their indexes, journals and counters.

CREATE TABLE document (
    kind text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    -- The shape of the body, as the document's kind counts them.
    schema bigint NOT NULL,
    -- The index entries of this version, packed, so that they can be taken back.
    indexes bytea NOT NULL,
    -- JSON, byte for byte as it was written.
    body bytea NOT NULL,
    PRIMARY KEY (kind, id)
) WITH (fillfactor = 85);

CREATE TABLE document_index (
    kind text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    -- The key alone in a unique index, else the key and the id: alike on every engine, so that cursors are too.
    place bytea NOT NULL,
    id text COLLATE "C" NOT NULL,
    PRIMARY KEY (kind, name, place) INCLUDE (id)
);

CREATE TABLE journal (
    account bigint NOT NULL,
    seq bigint NOT NULL,
    entry bytea NOT NULL,
    PRIMARY KEY (account, seq)
);

-- The row of an account is locked by whoever adds to its journal, until the commit.
CREATE TABLE journal_head (
    account bigint PRIMARY KEY,
    seq bigint NOT NULL,
    oldest bigint NOT NULL
) WITH (fillfactor = 20);

CREATE TABLE counter (
    name text COLLATE "C" PRIMARY KEY,
    value bigint NOT NULL
) WITH (fillfactor = 50);

-- The processes that use this database.
CREATE TABLE node (
    id text COLLATE "C" PRIMARY KEY,
    address text,
    started_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now(),
    -- The number of the last group of batches that it has committed: what a lost connection leaves open, this tells.
    committed bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 20);
