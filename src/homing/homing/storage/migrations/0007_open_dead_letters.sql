-- The operators' page asks once a second for the newest that nobody has discarded, of however many.
CREATE INDEX dead_letters_open ON dead_letters (id) WHERE discarded_at IS NULL;
