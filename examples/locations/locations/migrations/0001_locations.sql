CREATE TABLE locations (
    location_id text PRIMARY KEY,
    name text NOT NULL,
    category text NOT NULL,
    description text NOT NULL,
    registered_at timestamptz NOT NULL
);

CREATE INDEX locations_newest ON locations (registered_at DESC, location_id DESC);
CREATE INDEX locations_by_category ON locations (category, registered_at DESC, location_id DESC);
