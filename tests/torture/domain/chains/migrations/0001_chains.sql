CREATE TABLE chains (
    chain_id text PRIMARY KEY,
    count bigint NOT NULL,
    total bigint NOT NULL CHECK (total < 1000000000000),
    digest text NOT NULL,
    names text NOT NULL
) WITH (fillfactor = 50);
