-- Homing's own tables. The comments say what each is for; the words are the glossary's.

CREATE TABLE stream (
    name text PRIMARY KEY,
    created_at timestamptz NOT NULL,
    partitions integer NOT NULL,
    incarnation integer NOT NULL DEFAULT 1
);
COMMENT ON TABLE stream IS 'which stream of commands this database belongs to';

CREATE TABLE reactors (
    instance text PRIMARY KEY,
    seen_at timestamptz NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE reactors IS 'the leases: one row per reactor, renewed every second';

-- Renewed rows stay on their page: HOT updates need free space there.
CREATE TABLE partitions (
    partition integer PRIMARY KEY,
    checkpoint bigint NOT NULL DEFAULT 0,
    checkpoint_at timestamptz,
    epoch bigint NOT NULL DEFAULT 0,
    holder text,
    deaths integer NOT NULL DEFAULT 0,
    suspect bigint,
    suspect_deaths integer NOT NULL DEFAULT 0
) WITH (fillfactor = 20);
COMMENT ON TABLE partitions IS 'who holds a partition, and how far it is applied';

CREATE TABLE outcomes (
    command_id uuid PRIMARY KEY,
    owner text NOT NULL,
    type text NOT NULL,
    key text NOT NULL,
    status text NOT NULL,
    body text NOT NULL,
    fingerprint text NOT NULL,
    incarnation integer NOT NULL,
    partition integer NOT NULL,
    sequence bigint NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    xid xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX outcomes_xid ON outcomes (xid);
CREATE INDEX outcomes_owner ON outcomes (owner, xid);
CREATE INDEX outcomes_partition ON outcomes (partition, recorded_at);
COMMENT ON TABLE outcomes IS 'the durable verdicts, written with the read model and never changed';

CREATE TABLE events (
    command_id uuid NOT NULL,
    ordinal integer NOT NULL,
    domain text NOT NULL,
    type text NOT NULL,
    key text NOT NULL,
    body text NOT NULL,
    incarnation integer NOT NULL,
    partition integer NOT NULL,
    sequence bigint NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (command_id, ordinal)
);
COMMENT ON TABLE events IS 'what happened, in the order of (partition, sequence, ordinal)';

CREATE TABLE dead_letters (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incarnation integer NOT NULL,
    partition integer NOT NULL,
    sequence bigint NOT NULL,
    command_id uuid,
    subject text NOT NULL,
    headers text NOT NULL,
    body bytea NOT NULL,
    reason text NOT NULL,
    traceback text NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE dead_letters IS 'commands that could not be processed, with the reason';
