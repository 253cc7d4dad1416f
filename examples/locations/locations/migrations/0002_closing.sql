ALTER TABLE locations ADD COLUMN closed_at timestamptz;

-- Lists show what is on the map, and nothing else.
DROP INDEX locations_newest, locations_by_category;
CREATE INDEX locations_newest ON locations (registered_at DESC, location_id DESC)
    WHERE closed_at IS NULL;
CREATE INDEX locations_by_category ON locations (category, registered_at DESC, location_id DESC)
    WHERE closed_at IS NULL;

-- Serves LIKE 'beginning%', which an index in the database's own collation would not.
CREATE INDEX locations_by_name ON locations (lower(name) text_pattern_ops)
    WHERE closed_at IS NULL;
