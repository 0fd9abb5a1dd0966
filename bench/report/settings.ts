import { readFile } from 'node:fs/promises'
import os from 'node:os'

const PACKAGES = ['postgres', 'pg', 'pg-copy-streams', 'fastify', '@fastify/postgres']

/** What the figures depend on, as lines of text. */
export async function readSettings (server: { version: string, changed: string }, versions: readonly string[]): Promise<string[]> {
  const packages = await Promise.all(PACKAGES.map(async (name) => {
    const { version } = JSON.parse(await readFile(new URL(`../../node_modules/${name}/package.json`, import.meta.url), 'utf8'))
    return `${name === 'postgres' ? 'postgres.js' : name} ${version}`
  }))
  const [cpu] = os.cpus()
  const load = os.loadavg().map((value) => value.toFixed(1)).join(' ')
  return [
    `${os.availableParallelism()} cores (${cpu?.model.trim()}), shared by the server, the contenders and the load generator; load average at the start ${load}`,
    `PostgreSQL ${server.version} on loopback, scram-sha-256, no TLS unless a case says so; ${server.changed}`,
    `Node ${process.version}, ${os.platform()} ${os.arch()}; ${packages.join(', ')}`,
    ...(versions.length > 0 ? [versions.join('; ')] : []),
  ]
}

export function describeRounds (rounds: number, seconds: number): string {
  // Each of them lies below the median with a probability of one half; so do all with one of 1 / 2 ** rounds, and so do they all above.
  const confidence = 100 * (1 - 2 / 2 ** rounds)
  return `${rounds} ${rounds === 1 ? 'round' : 'rounds'}, ${seconds.toFixed(2)} s of load in a turn (pgbench: whole seconds); median (least - greatest) of the rounds, ` +
    `of a ratio the median of the ratios within each; the median lies between the least and the greatest with ${confidence.toFixed(0)} % confidence`
}
