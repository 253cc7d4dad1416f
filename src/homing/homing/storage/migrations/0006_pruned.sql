-- How far back outcomes were really removed, whatever any process has as their retention: what an
-- adoption must not apply again. A table of its own, as rounds hold the rows of partitions.
CREATE TABLE pruned (
    partition integer PRIMARY KEY,
    published_at timestamptz NOT NULL
);
COMMENT ON COLUMN pruned.published_at IS 'the stream''s time of the youngest command whose outcome was removed';
