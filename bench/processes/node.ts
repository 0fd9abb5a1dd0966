import { fork, type ForkOptions } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Command, Reply } from '../contenders/serve.js'
import type { Measured } from '../work.js'
import { environment, LIMIT, type Child } from './child.js'

/** `executable` is the Node that it runs on. */
export function startNode (folder: string, name: string, url: string, executable = process.execPath): Child {
  return start(join(folder, 'bench/contenders/process.js'), name, { BENCH_CONTENDER: name, BENCH_URL: url }, { execPath: executable })
}

/** Bun speaks to its parent as Node does. */
export function startBun (bun: string, folder: string, name: string, url: string): Child {
  return start(join(folder, 'bench/bun/process.js'), name, { BENCH_URL: url }, { execPath: bun, execArgv: [] })
}

/** `entry` is the URL of the version's `./core`. */
export function startVersion (folder: string, label: string, entry: string, url: string): Child {
  return start(join(folder, 'bench/against/client.js'), label, { AGAINST_ENTRY: entry, BENCH_URL: url })
}

function start (file: string, name: string, own: Record<string, string>, options: ForkOptions = {}): Child {
  const child = fork(file, { execArgv: ['--expose-gc'], ...options, env: environment(own) })
  const ended = once(child, 'exit').then(([code, signal]) => { throw new Error(`${name} has ended (${signal ?? code})`) })
  ended.catch(() => {})

  async function ask (command: Command): Promise<Measured> {
    const answer = once(child, 'message', { signal: AbortSignal.timeout(LIMIT) })
    child.send(command)
    const [reply]: Reply[] = await Promise.race([answer, ended])
    if (reply === undefined || 'error' in reply) throw new Error(`${name}: ${reply?.error}`)
    return reply.measured
  }

  return { open: () => ask({ name: 'open' }), measure: ask, kill: () => { child.kill('SIGKILL') } }
}

/** A new process for each turn: what an earlier one left behind would count, or be missed. */
export function startNodeAnew (folder: string, name: string, url: string): Child {
  let running: Child | undefined
  return {
    open: async () => {},
    async measure (work) {
      const child = running = startNode(folder, name, url)
      try {
        return await child.measure(work)
      } finally {
        child.kill()
      }
    },
    kill: () => running?.kill(),
  }
}
