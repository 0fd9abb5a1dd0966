import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import pg from 'pg'
import type { Test } from 'tap'
import { freePort } from '../../tools/embedded-postgres/free-port.js'
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../tools/embedded-postgres/embedded-postgres.js'
import { until } from './database.js'

/** A primary, and a standby that streams from it. Both go when the test ends. */
export interface StreamingPair { readonly primary: EmbeddedPostgres, readonly standby: Standby }

/**
 * A standby is a copy of the primary's files, made while it runs: pg_basebackup does not come with the embedded binaries.
 * Until the standby is gone, a commit on the primary is answered once the standby has it too, so that nothing that was
 * acknowledged can be lost.
 */
export async function startStreamingPair (t: Test): Promise<StreamingPair> {
  const settings = { max_connections: 60, synchronous_commit: 'on', wal_receiver_status_interval: 1 }
  const primary = await startEmbeddedPostgres({ settings })
  t.teardown(() => primary.close())
  const standby = await Standby.create(primary, settings)
  t.teardown(() => standby.stop())
  await standby.start()
  await query(primary.url, "ALTER SYSTEM SET synchronous_standby_names = '*'")
  await query(primary.url, 'SELECT pg_reload_conf()')
  await until(async () => (await query(primary.url, "SELECT FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'sync'")).length === 1, 30)
  return { primary, standby }
}

/** The rows of one statement, on a connection of its own, by another driver. */
export async function query (url: string, text: string): Promise<Array<Record<string, unknown>>> {
  const client = new pg.Client({ connectionString: url, application_name: 'observer' })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query(text)).rows
  } finally {
    await client.end()
  }
}

/** A second server, with the files, the user and the password of the first. */
export class Standby {
  readonly url: string
  readonly port: number
  readonly #folder: string
  readonly #binaries: string
  readonly #flags: readonly string[]
  readonly #owner: { uid: number, gid: number }
  #process: ChildProcess | undefined
  #output = ''

  static async create (primary: EmbeddedPostgres, settings: Record<string, string | number>): Promise<Standby> {
    const { uid, gid } = await stat(primary.dataDir)
    const folder = join(dirname(primary.dataDir), 'standby') // goes with the primary's
    const [binaries] = await query(primary.url, "SELECT setting FROM pg_config WHERE name = 'BINDIR'")
    const standby = new Standby(primary.url, await freePort(), folder, String(binaries?.['setting']), settings, { uid, gid })
    await standby.#copy(primary)
    return standby
  }

  private constructor (primaryUrl: string, port: number, folder: string, binaries: string, settings: Record<string, string | number>, owner: { uid: number, gid: number }) {
    this.url = Object.assign(new URL(primaryUrl), { port }).href
    this.port = port
    this.#folder = folder
    this.#binaries = binaries
    this.#owner = owner
    const flags = { listen_addresses: '127.0.0.1', port, unix_socket_directories: '', fsync: 'off', dynamic_shared_memory_type: 'mmap', ...settings }
    this.#flags = Object.entries(flags).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  }

  async #copy ({ url, host, port, user, password, dataDir }: EmbeddedPostgres): Promise<void> {
    const { uid, gid } = this.#owner
    const client = new pg.Client({ connectionString: url, application_name: 'observer' })
    await client.connect()
    await client.query("SELECT pg_backup_start('pair', true)")
    await mkdir(this.#folder, { mode: 0o700 })
    await cp(dataDir, this.#folder, { recursive: true, filter: (path) => !/postmaster\.(pid|opts)$/.test(path) })
    const { rows: [label] } = await client.query('SELECT labelfile FROM pg_backup_stop(false)')
    await client.end()
    await writeFile(join(this.#folder, 'backup_label'), label.labelfile)
    await writeFile(join(this.#folder, 'standby.signal'), '')
    const source = `host=${host} port=${port} user=${user} password=${password}`
    await writeFile(join(this.#folder, 'postgresql.auto.conf'), `primary_conninfo = '${source}'\n`)
    if (process.getuid?.() === 0) await run('chown', ['-R', `${uid}:${gid}`, this.#folder])
  }

  /** Resolves when it answers queries. */
  async start (): Promise<void> {
    const owner = process.getuid?.() === 0 ? this.#owner : {}
    const child = spawn(join(this.#binaries, 'postgres'), ['-D', this.#folder, ...this.#flags], { ...owner, cwd: '/', env: { LC_ALL: 'C' }, stdio: ['ignore', 'ignore', 'pipe'] })
    this.#process = child
    child.stderr?.setEncoding('utf8').on('data', (text: string) => { this.#output = (this.#output + text).slice(-4000) })
    await until(async () => {
      if (child.exitCode !== null) throw new Error(`the standby has ended: ${this.#output}`)
      return await query(this.url, 'SELECT 1').then(() => true, () => false)
    }, 30)
  }

  /** Makes it the primary; resolves when it has become that. */
  async promote (): Promise<void> {
    await query(this.url, 'SELECT pg_promote(true, 30)')
  }

  async stop (): Promise<void> {
    const child = this.#process
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGQUIT')
    await gone
  }
}

async function run (command: string, args: string[]): Promise<void> {
  const [code] = await once(spawn(command, args, { stdio: 'ignore' }), 'exit')
  if (code !== 0) throw new Error(`${command} failed`)
}
