import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Hop } from './child.js'

/** Counts in a process of its own, of which `started` is told. `entry` is the URL of the compiled ./core, in a folder below that of all compiled files. */
export async function countHops (entry: string, url: string, started: (child: ChildProcess) => void = () => {}): Promise<Hop[]> {
  const child = fork(fileURLToPath(new URL('child.ts', import.meta.url)), [entry, url], { execArgv: ['--import', 'tsx'] })
  started(child)
  const exit = once(child, 'exit')
  const ended = exit.then(([code]) => { throw new Error(`the measured process has ended (${code})`) })
  ended.catch(() => {})
  const [hops] = await Promise.race([once(child, 'message'), ended]) as [Hop[]]
  await exit
  return hops
}

/** How many calls, in how many files. */
export function totalOf (hops: readonly Hop[]): { calls: number, files: number } {
  return { calls: hops.reduce((sum, { count }) => sum + count, 0), files: new Set(hops.map(({ file }) => file)).size }
}
