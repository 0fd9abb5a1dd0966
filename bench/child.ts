import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Command, Reply } from './contender.js'

/** A contender's process, seen from ours. */
export interface Child {
  /** Rejects when the contender fails, ends, or does not answer within `LIMIT`. */
  ask (command: Command): Promise<number>
  kill (): void
}

/** Seconds, for the slowest command. */
const LIMIT = 60

export function startChild (folder: string, name: string, url: string): Child {
  const child = fork(join(folder, 'bench/contender.js'), {
    execArgv: ['--expose-gc'],
    env: { ...cleanEnv(), BENCH_CONTENDER: name, BENCH_URL: url }
  })
  const ended = once(child, 'exit').then(([code, signal]) => { throw new Error(`${name} has ended (${signal ?? code})`) })
  ended.catch(() => {})

  async function ask (command: Command): Promise<number> {
    const answer = once(child, 'message', { signal: AbortSignal.timeout(LIMIT * 1000) })
    child.send(command)
    const [reply]: Reply[] = await Promise.race([answer, ended])
    if (reply === undefined || 'error' in reply) throw new Error(`${name}: ${reply?.error}`)
    return reply.value
  }

  return { ask, kill: () => { child.kill('SIGKILL') } }
}

/** No contender may be set up by chance. */
function cleanEnv (): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(NODE_OPTIONS|PG|DATABASE_|DB_)/.test(name))
  return Object.fromEntries(kept)
}
