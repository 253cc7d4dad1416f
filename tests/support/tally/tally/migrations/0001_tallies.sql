CREATE TABLE tallies (
    tally_id text PRIMARY KEY,
    count bigint NOT NULL,
    total bigint NOT NULL,
    last bigint NOT NULL
);
