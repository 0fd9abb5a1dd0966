import { execFile, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ROWS } from '../statements.js'
import type { Measured, Work } from '../work.js'
import { environment, LIMIT, type Child } from './child.js'

/** `pipeline`: statements that one client sends before it reads the first answer. */
export interface PgbenchContender { clients: number, pipeline: number }

export const pgbenchContenders: Readonly<Record<string, PgbenchContender>> = {
  'pgbench, 1 client': { clients: 1, pipeline: 1 },
  'pgbench, 10 clients': { clients: 10, pipeline: 1 },
  'pgbench, 50 clients': { clients: 50, pipeline: 1 },
  'pgbench, pipeline of 16': { clients: 10, pipeline: 16 },
}

export function isPgbenchContender (name: string): boolean { return Object.hasOwn(pgbenchContenders, name) }

/** One row, prepared, and looked at: `\gset` fails unless there is exactly one. */
const ONE_ROW = `\\set wanted random(1, ${ROWS})
SELECT id, name FROM bench_rows WHERE id = :wanted \\gset got_
\\if :got_id <> :wanted
SELECT 'not the row that was asked for'::int;
\\endif
`

/** `\gset` is not allowed in a pipeline: it counts the answers, and fails where one is an error, but looks at no row. */
function inPipeline (statements: number): string {
  return `\\startpipeline\n${`\\set wanted random(1, ${ROWS})\nSELECT id, name FROM bench_rows WHERE id = :wanted;\n`.repeat(statements)}\\endpipeline\n`
}

/**
 * PostgreSQL's own load generator, in C: about the least that a client can cost that sends one statement at a time, and with a
 * pipeline about as much as the server can answer. Each of its clients has a connection of its own, so they are both callers and connections.
 */
export function startPgbench ({ clients, pipeline }: PgbenchContender, url: string): Child {
  const { hostname, port, username, password, pathname, searchParams } = new URL(url)
  const target = ['-h', hostname, '-p', port, '-U', username, pathname.slice(1)]
  let running: ChildProcess | undefined

  async function measure (work: Work): Promise<Measured> {
    if (work.name !== 'load') throw new Error(`pgbench does not do ${work.name}`)
    // The time begins before it has connected: on a busy machine it may be over by then.
    for (let seconds = Math.ceil(work.seconds); seconds < 10; seconds *= 2) {
      const rate = await run('-T', seconds) * pipeline
      if (Number.isFinite(rate)) return { rate }
    }
    throw new Error('pgbench did not get to its first statement')
  }

  /** Transactions per second, which are runs of the script: for so many seconds (`-T`), or so often by each client (`-t`). */
  async function run (until: '-T' | '-t', amount: number): Promise<number> {
    const folder = await mkdtemp(join(tmpdir(), 'fastify-postgres-js-pgbench-'))
    try {
      const script = join(folder, 'one-row.sql')
      await writeFile(script, pipeline > 1 ? inPipeline(pipeline) : ONE_ROW)
      const options = ['-n', '-M', 'prepared', '-c', String(clients), '-j', '1', until, String(amount), '-f', script]
      const env = environment({ PGPASSWORD: password, PGSSLMODE: searchParams.get('sslmode') ?? 'disable' })
      const pending = promisify(execFile)('pgbench', [...options, ...target], { env, timeout: LIMIT })
      running = pending.child
      const { stdout } = await pending
      if (!/number of failed transactions: 0 /.test(stdout)) throw new Error(`pgbench: ${stdout}`)
      return Number(/^tps = ([\d.]+)/m.exec(stdout)?.[1])
    } finally {
      await rm(folder, { recursive: true })
    }
  }

  return { open: () => run('-t', 1), measure, kill: () => { running?.kill('SIGKILL') } }
}
