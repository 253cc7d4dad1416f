-- The holder of a partition prunes what is older than its retention.
CREATE INDEX events_partition ON events (partition, recorded_at);
