-- What became of a dead letter: nothing is ever deleted, and nothing is done twice.
ALTER TABLE dead_letters
    ADD COLUMN discarded_at timestamptz,
    ADD COLUMN replays integer NOT NULL DEFAULT 0,
    ADD COLUMN replayed_at timestamptz,
    ADD COLUMN replay_incarnation integer,
    ADD COLUMN replay_sequence bigint;
CREATE INDEX dead_letters_command ON dead_letters (command_id);
COMMENT ON COLUMN dead_letters.discarded_at IS 'when an operator said that nothing will come of it';
COMMENT ON COLUMN dead_letters.replays IS 'the number of the last replay that was sent';
COMMENT ON COLUMN dead_letters.replayed_at IS 'when that one was first sent';
COMMENT ON COLUMN dead_letters.replay_incarnation IS 'of the stream that has it, once that is known';
COMMENT ON COLUMN dead_letters.replay_sequence IS 'where that stream has it';
