import { ACCOUNTS, BALANCE } from './settings.js'

/**
 * Nothing in `writes` is unique: a write that came twice has to show, not to fail. A transfer is a row with the accounts
 * and the amount. `raise_at` fails in row `at`, with a code and words of the caller's own.
 */
export const SCHEMA = `
  CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL CHECK (balance >= 0)) WITH (fillfactor = 50);
  INSERT INTO accounts SELECT id, ${BALANCE} FROM generate_series(1, ${ACCOUNTS}) AS id;
  CREATE TABLE writes (caller int NOT NULL, write int NOT NULL, item int NOT NULL CHECK (item >= 0), token text NOT NULL, source int, target int, amount bigint);
  CREATE INDEX ON writes (caller, write);
  CREATE FUNCTION raise_at (n int, at int, code text, words text) RETURNS int LANGUAGE plpgsql AS
    'BEGIN IF n = at THEN RAISE EXCEPTION USING ERRCODE = code, MESSAGE = words; END IF; RETURN n; END';`

export const INSERT = 'INSERT INTO writes (caller, write, item, token) VALUES ($1, $2, $3, $4)'
/** The same, not as arrays. */
export const INSERT_BY_EXPRESSION = 'INSERT INTO writes (caller, write, item, token) VALUES ($1, $2, $3 + 0, $4)'
export const INSERT_SLOWLY = 'INSERT INTO writes (caller, write, item, token) SELECT $1::int, $2::int, $3::int, $4::text FROM pg_sleep($5)'
export const INSERT_TRANSFER = 'INSERT INTO writes (caller, write, item, token, source, target, amount) VALUES ($1, $2, $3, $4, $5, $6, $7)'

/** The same in a script, which has no parameters. */
export function insertText (caller: number, write: number): string {
  return `INSERT INTO writes (caller, write, item, token) VALUES (${caller}, ${write}, 0, '${tokenOf(caller, write, 0)}')`
}

/** What stands in a row, so that it can be told whose it is. */
export function tokenOf (caller: number, write: number, item: number): string { return `${caller}/${write}/${item}` }
export const TOKEN_OF_ROW = "caller || '/' || write || '/' || item"
