import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Database } from '../plugins/db.js'

const TABLES = `
  CREATE TABLE IF NOT EXISTS users (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    email text NOT NULL UNIQUE,
    settings jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
  );
  CREATE TABLE IF NOT EXISTS accounts (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id integer NOT NULL REFERENCES users ON DELETE CASCADE,
    balance numeric(12,2) NOT NULL DEFAULT 0 CHECK (balance >= 0)
  );
  CREATE INDEX IF NOT EXISTS accounts_user_id ON accounts (user_id)`

const SEED_USERS = `
  INSERT INTO users (name, email, settings)
  SELECT * FROM (VALUES
    ('Ada Lovelace', 'ada@example.com', jsonb '{"theme": "dark"}'),
    ('Charles Babbage', 'charles@example.com', jsonb '{}'),
    ('Mary Somerville', 'mary@example.com', jsonb '{"language": "en"}')) AS seed
  WHERE NOT EXISTS (SELECT FROM users)`

const SEED_ACCOUNTS = `
  INSERT INTO accounts (user_id, balance)
  SELECT id, 100.00 FROM users WHERE NOT EXISTS (SELECT FROM accounts) ORDER BY id LIMIT 3`

/** Any number will do, as long as nobody else uses it in this database. */
const LOCK = 8200

/** Creates the tables that are not there, and a few rows in those that are empty. */
export async function createTables (db: Database): Promise<void> {
  await db.transaction(async (tx) => {
    // Two processes that start at once would both find no table, and one would fail to create it.
    await tx.execute('SELECT pg_advisory_xact_lock($1)', LOCK)
    await tx.execute(TABLES)
    await tx.execute(SEED_USERS)
    await tx.execute(SEED_ACCOUNTS)
  })
}

// The first call opens the pool, so a database that cannot be reached ends the start here.
export default fp(async (app: FastifyInstance) => createTables(app.db), { name: 'schema', dependencies: ['fastify-postgres-js'] })
