CREATE TABLE troubles (
    trouble_id text PRIMARY KEY,
    count integer NOT NULL,
    kind text NOT NULL CONSTRAINT not_refused CHECK (kind <> 'refused')
);

-- Not rolled back: so a transaction can fail for the first few times only.
CREATE SEQUENCE attempts;
GRANT USAGE ON SEQUENCE attempts TO PUBLIC;

CREATE FUNCTION make_trouble() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.kind = 'hang' THEN
        PERFORM pg_sleep(30);
    ELSIF NEW.kind = 'conflict' AND nextval('trouble.attempts') <= 6 THEN
        RAISE EXCEPTION 'try again' USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER trouble BEFORE INSERT OR UPDATE ON troubles FOR EACH ROW EXECUTE FUNCTION make_trouble();
