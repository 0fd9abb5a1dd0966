import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import type { Test } from 'tap'
import { freePort } from '../../tools/embedded-postgres/free-port.js'
import { until } from './database.js'

/** PgBouncer's settings beyond those that the tests always need. */
export type BouncerSettings = Readonly<Record<string, string | number>>

/** A PgBouncer in transaction mode in front of a database, on a port of its own. */
export class Bouncer {
  /** The database of the test, through it. */
  readonly url: string
  readonly #file: string
  readonly #port: number
  readonly #lines: string[] = []
  #process: ChildProcess | undefined

  private constructor (url: string, file: string, port: number) {
    this.url = url
    this.#file = file
    this.#port = port
  }

  static async start (t: Test, databaseUrl: string, settings: BouncerSettings = {}): Promise<Bouncer> {
    const folder = await mkdtemp(join(tmpdir(), 'fastify-postgres-js-pgbouncer-'))
    const file = join(folder, 'pgbouncer.ini')
    const port = await freePort()
    const { hostname, port: serverPort, username, password } = new URL(databaseUrl)
    const all = {
      listen_addr: '127.0.0.1',
      listen_port: port,
      unix_socket_dir: '',
      auth_type: 'any',
      admin_users: username,
      pool_mode: 'transaction',
      default_pool_size: 5,
      max_client_conn: 200,
      // RECONNECT counts a session that is logging in as one that failed; it tries no other for 15 s by default.
      server_login_retry: 0.1,
      // It does not run as root. Its folder is for it alone.
      ...(process.getuid?.() === 0 && { user: 'nobody' }),
      ...settings,
    }
    const lines = Object.entries(all).map(([name, value]) => `${name} = ${value}`)
    await writeFile(file, `[databases]\n* = host=${hostname} port=${serverPort} user=${username} password=${password}\n[pgbouncer]\n${lines.join('\n')}\n`)
    await chmod(folder, 0o755)
    const bouncer = new Bouncer(Object.assign(new URL(databaseUrl), { host: `127.0.0.1:${port}` }).href, file, port)
    t.teardown(async () => {
      await bouncer.stop()
      await rm(folder, { recursive: true })
    })
    await bouncer.start()
    return bouncer
  }

  /** What it logged. */
  get log (): string { return this.#lines.join('') }

  async start (): Promise<void> {
    const child = spawn('pgbouncer', [this.#file], { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#process = child
    child.stderr.setEncoding('utf8').on('data', (text: string) => { this.#lines.push(text) })
    await once(child, 'spawn')
    await until(async () => {
      if (child.exitCode !== null) throw new Error(`PgBouncer ended: ${this.log}`)
      return await answers(this.#port)
    })
  }

  /** At once: clients and servers are cut off. */
  async stop (): Promise<void> {
    const child = this.#process
    this.#process = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    await exited
  }

  /** One command on its console, such as `PAUSE`. */
  async command (text: string): Promise<Array<Record<string, unknown>>> {
    const { username } = new URL(this.url)
    const client = new pg.Client({ host: '127.0.0.1', port: this.#port, user: username, database: 'pgbouncer' })
    await client.connect()
    try {
      return (await client.query(text)).rows
    } finally {
      await client.end()
    }
  }
}

async function answers (port: number): Promise<boolean> {
  const socket = net.connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
