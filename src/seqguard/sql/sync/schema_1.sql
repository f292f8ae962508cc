-- Version 1 of schema seqguard_sync: where each stream stands, and the changes that could not be applied.
--
-- Parameters: none. Run in one transaction, by one installer at a time.
--
-- before and after are of type json, not jsonb: a NUL in a text is no jsonb.
CREATE SCHEMA IF NOT EXISTS seqguard_sync;
COMMENT ON SCHEMA seqguard_sync IS 'seqguard sync: positions and dead letters';

CREATE TABLE seqguard_sync.version (
    version integer NOT NULL
);
INSERT INTO seqguard_sync.version VALUES (1);

CREATE TABLE seqguard_sync.positions (
    sync text NOT NULL,
    stream text NOT NULL,
    "offset" jsonb NOT NULL,
    at timestamptz,
    changes bigint NOT NULL DEFAULT 0,
    updated timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (sync, stream)
);
COMMENT ON TABLE seqguard_sync.positions IS
    'Where each stream stands: at is when the source wrote the last applied change, changes counts them';

CREATE TABLE seqguard_sync.dead_letters (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sync text NOT NULL,
    source text NOT NULL,
    key text NOT NULL,
    old_key text,
    state text NOT NULL CHECK (state IN ('waiting', 'dead', 'stopped')),
    sqlstate text NOT NULL,
    error text NOT NULL,
    detail text NOT NULL,
    before json,
    after json,
    stream text NOT NULL,
    "offset" jsonb NOT NULL,
    at timestamptz,
    created timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    updated timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    attempts integer NOT NULL DEFAULT 1,
    next_try timestamptz,
    published timestamptz
);
CREATE INDEX ON seqguard_sync.dead_letters (sync, source, pg_catalog.md5(key));
CREATE INDEX ON seqguard_sync.dead_letters (sync, source, pg_catalog.md5(old_key)) WHERE old_key IS NOT NULL;
CREATE INDEX ON seqguard_sync.dead_letters (sync, next_try) WHERE state = 'waiting';
CREATE INDEX ON seqguard_sync.dead_letters (sync, id) WHERE published IS NULL AND state <> 'waiting';
COMMENT ON COLUMN seqguard_sync.dead_letters.published IS 'When it was told to the topic of the mapping file, if that names one';
COMMENT ON TABLE seqguard_sync.dead_letters IS
    'Changes that could not be applied: waiting for a row that they reference, dead, or of a table that is stopped';
