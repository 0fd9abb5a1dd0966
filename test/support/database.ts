import { randomBytes } from 'node:crypto'
import { subscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import pg from 'pg'
import type { Test } from 'tap'
import { createDatabase, type Database, type DatabaseOptions, type Log } from '../../src/index.js'
import { startEmbeddedPostgres } from '../../tools/embedded-postgres/embedded-postgres.js'
import { lookAtLine } from './disclosure.js'
import { lookAtEvent } from './log-table.js'

/** A logger that keeps what it is told. */
export interface MemoryLog extends Log { lines: Array<{ level: string, object: object, message: string }> }

export function memoryLog (): MemoryLog {
  const lines: MemoryLog['lines'] = []
  const at = (level: string) => (object: object, message: string) => {
    lines.push({ level, object, message })
    lookAtLine(level, object, message)
    lookAtEvent(level, object)
  }
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

/** The server of the test run, or one of its own for a file that is run alone. */
async function serverUrl (t: Test): Promise<string> {
  const url = process.env['TEST_DATABASE_URL']
  if (url !== undefined) return url
  const server = await startEmbeddedPostgres({ settings: { max_connections: 500 } })
  t.teardown(() => server.close())
  return server.url
}

/** Looks at the server from outside, by another driver. */
export class Observer {
  /** How many are connected. */
  static open = 0
  readonly url: string
  readonly #client: pg.Client

  constructor (url: string) {
    this.url = url
    this.#client = new pg.Client({ connectionString: url, application_name: 'observer' })
    this.#client.on('error', () => {}) // a test may stop the server
  }

  async open (): Promise<this> {
    await this.#client.connect()
    Observer.open++
    return this
  }

  async rows (text: string, args: unknown[] = []): Promise<Array<Record<string, any>>> {
    return (await this.#client.query(text, args)).rows
  }

  /** How many statements the server finds in a text; undefined where it refuses it. */
  async statements (text: string): Promise<number | undefined> {
    const results: unknown = await this.#client.query(text).catch(() => undefined)
    return results === undefined ? undefined : [results].flat().length
  }

  /** The backends of everyone but this observer in this database: those of the pool under test. */
  async backends (): Promise<Array<{ pid: number, state: string, query: string, application_name: string }>> {
    return await this.rows(`SELECT pid, state, query, application_name FROM pg_stat_activity
      WHERE datname = current_database() AND backend_type = 'client backend' AND application_name <> 'observer' ORDER BY pid`) as never
  }

  /** Kills backends of the pool, or the given ones. */
  async kill (pids?: number[]): Promise<void> {
    const victims = pids ?? (await this.backends()).map(({ pid }) => pid)
    await this.rows('SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid', [victims])
  }

  async close (): Promise<void> {
    await this.#client.end()
    Observer.open--
  }
}

/** A name that no other test uses: roles belong to the whole server. */
export function uniqueName (prefix: string): string { return `${prefix}_${randomBytes(6).toString('hex')}` }

/** Databases of this process that no test uses now: emptying one takes a tenth of the time of creating one. */
const spare: string[] = []

async function createDatabaseOn (url: string): Promise<string> {
  const admin = await new Observer(url).open()
  const name = uniqueName('test')
  await admin.rows(`CREATE DATABASE ${name}`)
  await admin.close()
  return Object.assign(new URL(url), { pathname: `/${name}` }).href
}

/** A database with nothing in it, and an observer of it. It goes with the server when the run ends. */
export async function freshDatabase (t: Test): Promise<Observer> {
  const url = spare.pop() ?? await createDatabaseOn(await serverUrl(t))
  const observer = await new Observer(url).open()
  t.teardown(async () => {
    await observer.rows('ROLLBACK')
    await nothingLeft(observer)
    await observer.kill()
    await observer.rows(`ALTER DATABASE ${new URL(url).pathname.slice(1)} RESET ALL`)
    const [schemas] = await observer.rows("SELECT string_agg(quote_ident(nspname), ', ') AS names FROM pg_namespace WHERE nspname !~ '^pg_|^information_schema$'")
    if (schemas?.['names'] != null) await observer.rows(`DROP SCHEMA ${schemas['names']} CASCADE`)
    await observer.rows('CREATE SCHEMA public; GRANT ALL ON SCHEMA public TO public')
    await observer.close()
    if (process.env['TEST_DATABASE_URL'] !== undefined) spare.push(url) // a server of the test's own goes with it
  })
  return observer
}

/** The sockets that this process has opened, and that are not gone. */
const sockets = new Set<Socket>()
subscribe('net.client.socket', (message) => {
  const { socket } = message as { socket: Socket }
  sockets.add(socket)
  socket.once('close', () => sockets.delete(socket))
})

/**
 * A test must leave nothing behind: no timer, at once, for one that expires later would hide; no session on the server, and
 * no socket to it, as soon as both have said goodbye. Whatever it leaves fails it here.
 */
async function nothingLeft (observer: Observer): Promise<void> {
  const timers = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
  if (timers > 0) throw new Error(`the test left ${timers} timers`)
  const port = Number(new URL(observer.url).port)
  const held = (): number => [...sockets].filter(({ remotePort }) => remotePort === port).length - Observer.open
  await until(async () => (await observer.backends()).length === 0).catch(() => { throw new Error('the test left sessions on the server') })
  await until(() => held() <= 0).catch(() => { throw new Error(`the test left ${held()} sockets`) })
}

/** A database under test: open, quiet, closed when the test ends. */
export async function openDatabase (t: Test, observer: Observer, options: DatabaseOptions = {}): Promise<Database> {
  const db = createDatabase({ url: observer.url, min: 1, max: 4, log: memoryLog(), ...options }, {})
  t.teardown(() => db.close())
  await db.open()
  return db
}

/** Waits until `condition` holds, looking again after each turn of the event loop and some rest for the server. */
export async function until (condition: () => boolean | Promise<boolean>, seconds = 10): Promise<void> {
  const end = performance.now() + seconds * 1000
  while (!await condition()) {
    if (performance.now() > end) throw new Error(`not within ${seconds} s: ${condition}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
