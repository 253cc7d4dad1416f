-- Bytewise order everywhere: the order in which rounds wait for each other depends on it.
CREATE TABLE claims (
    domain text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    PRIMARY KEY (domain, name, value)
);
CREATE INDEX claims_key ON claims (domain, key);
COMMENT ON TABLE claims IS 'values that must be unique in a domain, and the keys that have them';
