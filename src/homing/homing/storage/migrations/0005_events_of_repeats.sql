-- A command that comes again after its outcome was pruned is a new one, whose events stand beside the
-- old ones: these are kept for longer.
ALTER TABLE events
    DROP CONSTRAINT events_pkey,
    ADD PRIMARY KEY (command_id, incarnation, sequence, ordinal);
