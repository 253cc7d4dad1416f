-- A command that was sent again after JetStream's duplicate window stands in the stream a second time,
-- and is younger there than its outcome tells. Once that is pruned, an adoption has to skip both.
ALTER TABLE outcomes ADD COLUMN repeated_at timestamptz;
COMMENT ON COLUMN outcomes.repeated_at IS 'the stream''s time of the last other copy of the command that came';
