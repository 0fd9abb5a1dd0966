/** What may be left in a session by `enter`. */
export const STATES = ['setting', 'lock', 'temporary table', 'role', 'prepared name', 'prepared dropped', 'cursor', 'listening', 'search_path'] as const

/**
 * `enter` leaves something in its session that others would meet: as the guest they may do nothing, and with the temporary table or
 * the schema `elsewhere` in front their writes would be lost. The rest hides a call of it, from what its text shows.
 */
export const STATE_SCHEMA = `
  CREATE ROLE soak_guest;
  CREATE SCHEMA elsewhere;
  CREATE TABLE elsewhere.writes (LIKE public.writes);
  CREATE FUNCTION enter (kind text, owner text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
    CASE kind
      WHEN 'setting' THEN PERFORM set_config('soak.owner', owner, false);
      WHEN 'lock' THEN PERFORM pg_advisory_lock(hashtextextended(owner, 0));
      WHEN 'temporary table' THEN CREATE TEMP TABLE writes (LIKE public.writes);
      WHEN 'role' THEN SET ROLE soak_guest;
      WHEN 'prepared name' THEN EXECUTE 'PREPARE "a ""name" AS SELECT 1';
      WHEN 'prepared dropped' THEN EXECUTE 'DEALLOCATE ALL';
      WHEN 'cursor' THEN EXECUTE 'DECLARE left_open CURSOR WITH HOLD FOR SELECT 1';
      WHEN 'listening' THEN LISTEN soak;
      WHEN 'search_path' THEN PERFORM set_config('search_path', 'elsewhere', false);
    END CASE;
    RETURN owner;
  END $$;
  CREATE PROCEDURE enter_by_call (kind text, owner text) LANGUAGE plpgsql AS 'BEGIN PERFORM public.enter(kind, owner); END';
  CREATE TABLE doors (kind text, owner text);
  CREATE FUNCTION enter_by_trigger () RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM public.enter(NEW.kind, NEW.owner); RETURN NULL; END';
  CREATE TRIGGER enter BEFORE INSERT ON doors FOR EACH ROW EXECUTE FUNCTION enter_by_trigger();
  CREATE VIEW entrance AS SELECT kind, enter(kind, 'a view') AS owner FROM unnest(ARRAY['${STATES.join("', '")}']) AS kind;
  CREATE FUNCTION enter_by_operator (text, text) RETURNS text LANGUAGE sql AS 'SELECT public.enter($1, $2)';
  CREATE OPERATOR ~~~> (FUNCTION = enter_by_operator, LEFTARG = text, RIGHTARG = text);
  CREATE FUNCTION lower (door doors) RETURNS text LANGUAGE sql AS 'SELECT public.enter(door.kind, door.owner)';
  CREATE FUNCTION entered (door doors) RETURNS text LANGUAGE sql AS 'SELECT public.enter(door.kind, door.owner)';`

/** What the session holds that a new one would not, in words. The parameter: what `soak.home` has to be. */
export const LOOK = `SELECT concat_ws(', ', 'the setting of ' || nullif(current_setting('soak.owner', true), ''),
  (SELECT 'the role' WHERE current_user <> session_user),
  (SELECT 'a temporary table' WHERE to_regclass('pg_temp.writes') IS NOT NULL),
  (SELECT 'a lock' FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() LIMIT 1),
  (SELECT 'a cursor' FROM pg_cursors WHERE name <> '' LIMIT 1),
  (SELECT 'listening' FROM pg_listening_channels() LIMIT 1),
  (SELECT 'a prepared name' FROM pg_prepared_statements WHERE from_sql LIMIT 1),
  (SELECT 'a search_path' WHERE current_setting('search_path') <> '"$user", public'),
  (SELECT 'no setting of its own' WHERE coalesce(current_setting('soak.home', true), '') <> $1))`
