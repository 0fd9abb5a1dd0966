import { sandboxed } from '../src/api/database.js'
import { readGiven } from '../src/config/read-given.js'
import { rejectUnknown } from '../src/config/unknown-option.js'
import { OptionError, SandboxError } from '../src/errors/errors.js'
import type { Database } from '../src/index.js'
import { Sandbox } from './sandbox/sandbox.js'
import { SandboxSession } from './sandbox/session.js'
import { SandboxTarget } from './sandbox/target.js'

/** What has a database as a decorator: a Fastify instance. */
export interface SandboxApp { hasDecorator (name: string): boolean }

export interface SandboxOptions {
  /** The decorator of the database. Default `db`. */
  name?: string | undefined
}

/** The databases that have a sandbox, or are about to. */
const inUse = new WeakSet<object>()

/**
 * From now on all that the database of an app is asked for is run on one connection, in one transaction that is never committed: tests
 * leave nothing behind. Opens the pool if it is not open. What a sandbox cannot do is in docs/testing.md.
 *
 * Rejects with `FST_PG_SANDBOX` if there is no such database or if it has a sandbox already, and as a call does that finds no connection.
 * @example
 * const sandbox = await useSandbox(app)
 * await app.inject('/users')
 * await sandbox.reset() // between tests: everything is undone
 * await sandbox.close() // app.db works as usual again
 */
export async function useSandbox (app: SandboxApp | Database, options: SandboxOptions = {}): Promise<Sandbox> {
  const database = readGiven('useSandbox', () => databaseOf(app, options))
  const found = database && sandboxed(database)
  if (database === undefined || found === undefined) {
    throw new SandboxError('useSandbox found no database: give it the app, when it is ready, with the name that fastify-postgres-js was ' +
      'registered by if it has one, as useSandbox(app, { name }), or the database itself')
  }
  if (inUse.has(found.pool)) {
    throw new SandboxError('the database has a sandbox already: reset() it between tests, and close() it before another one')
  }
  inUse.add(found.pool)
  try {
    const session = await SandboxSession.open(found.pool)
    const target = new SandboxTarget(session, found.statements)
    found.redirect(target)
    if (!found.pool.isOpen) target.stop() // it was closed in the meantime
    return new Sandbox(session, () => {
      found.redirect(undefined)
      inUse.delete(found.pool)
    })
  } catch (error) {
    inUse.delete(found.pool)
    throw error
  }
}

function databaseOf (app: unknown, options: SandboxOptions): object | undefined {
  if (typeof options !== 'object' || options === null) throw new OptionError('the options of useSandbox are an object: { name }')
  rejectUnknown(options, ['name'], 'useSandbox.')
  const { name = 'db' } = options
  if (typeof name !== 'string' || name === '') throw new OptionError('useSandbox.name takes the name of a decorator')
  if (typeof app !== 'object' || app === null) return undefined
  const database: unknown = 'hasDecorator' in app ? Reflect.get(app, name) : app
  return typeof database === 'object' && database !== null ? database : undefined
}
