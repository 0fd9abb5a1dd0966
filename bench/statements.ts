// The tables and the statements on them, the same for every contender.

/** In `bench_rows`, numbered from 1. */
export const ROWS = 10_000
export const ACCOUNTS = 10_000
/** In `bench_wide`. */
export const WIDE_ROWS = 1_000
/** Argument lists in one batch. */
export const BATCH = 10_000

/** `autovacuum` is off while the benchmark runs: it would start in some contender's turn. */
export const SETTINGS = { max_connections: 1000, autovacuum: 'off' }

export const TABLES = `
  CREATE TABLE bench_rows (id int PRIMARY KEY, name text NOT NULL);
  INSERT INTO bench_rows SELECT n, 'name of row ' || n FROM generate_series(1, ${ROWS}) n;

  CREATE TABLE bench_wide (id int PRIMARY KEY, name text NOT NULL, email text NOT NULL, city text, active bool NOT NULL, score float8 NOT NULL,
    visits bigint NOT NULL, balance numeric(12, 2) NOT NULL, settings jsonb NOT NULL, created_at timestamptz NOT NULL);
  INSERT INTO bench_wide SELECT n, 'name ' || n, 'user' || n || '@example.com', CASE WHEN n % 5 > 0 THEN 'city ' || n % 50 END, n % 2 = 0, n / 7.0,
    n * 1000, n * 1.25, jsonb_build_object('theme', 'dark', 'size', n), timestamptz '2026-01-01 00:00:00Z' + n * interval '1 hour'
    FROM generate_series(1, ${WIDE_ROWS}) n;

  CREATE TABLE bench_accounts (id int PRIMARY KEY, balance int NOT NULL) WITH (fillfactor = 50);
  INSERT INTO bench_accounts SELECT n, 1000 FROM generate_series(1, ${ACCOUNTS}) n;

  CREATE TABLE bench_inserts (n int NOT NULL, label text NOT NULL);
  CREATE TABLE bench_singles (n int NOT NULL, label text NOT NULL);
  CREATE TABLE bench_returning (id int GENERATED ALWAYS AS IDENTITY, n int NOT NULL, label text NOT NULL);
  CREATE TABLE bench_updates (id int PRIMARY KEY, value int NOT NULL);`

export const FETCH = 'SELECT id, name FROM bench_rows WHERE id = $1'
export const FETCH_WIDE = `SELECT id, name, email, city, active, score, visits, balance, settings, created_at FROM bench_wide ORDER BY id LIMIT ${WIDE_ROWS}`
export const SLEEP = 'SELECT pg_sleep($1)'
export const DEBIT = 'UPDATE bench_accounts SET balance = balance - 1 WHERE id = $1'
export const CREDIT = 'UPDATE bench_accounts SET balance = balance + 1 WHERE id = $1'
export const INSERT = 'INSERT INTO bench_inserts (n, label) VALUES ($1, $2)'
export const INSERT_ONE = 'INSERT INTO bench_singles (n, label) VALUES ($1, $2)'
export const INSERT_RETURNING = 'INSERT INTO bench_returning (n, label) VALUES ($1, $2) RETURNING id, n'
export const UPDATE = 'UPDATE bench_updates SET value = $2 WHERE id = $1'

/** The queries of one request for `/users/:id/twenty`: users from `:id` on. */
export const TWENTY = 20

export type InsertedRow = readonly [n: number, label: string]
export type UpdatedRow = readonly [id: number, value: number]
export const inserted: readonly InsertedRow[] = Array.from({ length: BATCH }, (_, n) => [n, `label of row ${n}`] as const)
export const updated: readonly UpdatedRow[] = Array.from({ length: BATCH }, (_, n) => [n + 1, (n + 1) * 2] as const)
