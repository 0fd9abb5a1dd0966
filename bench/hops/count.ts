import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Hop, Hops, HopsWork } from './child-report.js'

export interface HopsOptions {
  /** Default: `fetchOne`. */
  work?: HopsWork
  /** Told of the process. */
  started?: (child: ChildProcess) => void
}

/** Counts in a process of its own. `entry` is the URL of the compiled ./core, in a folder below that of all compiled files. */
export async function countHops (entry: string, url: string, { work = 'fetchOne', started }: HopsOptions = {}): Promise<Hops> {
  const child = fork(fileURLToPath(new URL('child.ts', import.meta.url)), [entry, url, work], { execArgv: ['--import', 'tsx'] })
  started?.(child)
  const exit = once(child, 'exit')
  const ended = exit.then(([code]) => { throw new Error(`the measured process has ended (${code})`) })
  ended.catch(() => {})
  const [report] = await Promise.race([once(child, 'message'), ended]) as [Hops]
  await exit
  return report
}

/** How many calls, in how many files. */
export function totalOf (hops: readonly Hop[]): { calls: number, files: number } {
  return { calls: hops.reduce((sum, { count }) => sum + count, 0), files: new Set(hops.map(({ file }) => file)).size }
}
