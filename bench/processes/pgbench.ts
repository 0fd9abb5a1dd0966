import { execFile, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ROWS } from '../statements.js'
import type { Measured, Work } from '../work.js'
import { environment, LIMIT, type Child } from './child.js'

/** One row, prepared, and looked at: `\gset` fails unless there is exactly one. */
const SCRIPT = `\\set wanted random(1, ${ROWS})
SELECT id, name FROM bench_rows WHERE id = :wanted \\gset got_
\\if :got_id <> :wanted
SELECT 'not the row that was asked for'::int;
\\endif
`

/**
 * PostgreSQL's own load generator, in C: about the least that a client can cost that sends one statement at a time. Each
 * of its clients has a connection of its own, so `clients` of them are both callers and connections.
 */
export function startPgbench (clients: number, url: string): Child {
  const { hostname, port, username, password, pathname } = new URL(url)
  const target = ['-h', hostname, '-p', port, '-U', username, pathname.slice(1)]
  let running: ChildProcess | undefined

  async function measure (work: Work): Promise<Measured> {
    if (work.name !== 'load') throw new Error(`pgbench does not do ${work.name}`)
    const folder = await mkdtemp(join(tmpdir(), 'fastify-postgres-js-pgbench-'))
    try {
      const script = join(folder, 'one-row.sql')
      await writeFile(script, SCRIPT)
      // The time begins before it has connected: on a busy machine it may be over by then.
      for (let seconds = Math.ceil(work.seconds); seconds < 10; seconds *= 2) {
        const rate = await run(script, seconds)
        if (Number.isFinite(rate)) return { rate }
      }
      throw new Error('pgbench did not get to its first statement')
    } finally {
      await rm(folder, { recursive: true })
    }
  }

  async function run (script: string, seconds: number): Promise<number> {
    const options = ['-n', '-M', 'prepared', '-c', String(clients), '-j', '1', '-T', String(seconds), '-f', script]
    const pending = promisify(execFile)('pgbench', [...options, ...target], { env: environment({ PGPASSWORD: password }), timeout: LIMIT })
    running = pending.child
    const { stdout } = await pending
    if (!/number of failed transactions: 0 /.test(stdout)) throw new Error(`pgbench: ${stdout}`)
    return Number(/^tps = ([\d.]+)/m.exec(stdout)?.[1])
  }

  return { open: async () => {}, measure, kill: () => { running?.kill('SIGKILL') } }
}
