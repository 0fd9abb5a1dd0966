import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Command, Reply } from '../contenders/serve.js'
import type { Measured } from '../work.js'
import { environment, LIMIT, type Child } from './child.js'

/** asyncpg: the commands and answers of the Node contenders, as lines of JSON. */
export function startPython (python: string, name: string, url: string): Child {
  const script = fileURLToPath(new URL('../python/asyncpg_pool.py', import.meta.url))
  const child = spawn(python, [script], { env: environment({ BENCH_URL: url }), stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface(child.stdout)
  const ended = once(child, 'exit').then(([code, signal]) => { throw new Error(`${name} has ended (${signal ?? code})`) })
  ended.catch(() => {})

  async function ask (command: Command): Promise<Measured> {
    const answer = once(lines, 'line', { signal: AbortSignal.timeout(LIMIT) })
    child.stdin.write(`${JSON.stringify(command)}\n`)
    const [line = '']: string[] = await Promise.race([answer, ended])
    const reply: Reply = JSON.parse(line)
    if ('error' in reply) throw new Error(`${name}: ${reply.error}`)
    return reply.measured
  }

  return { open: () => ask({ name: 'open' }), measure: ask, kill: () => { child.kill('SIGKILL') } }
}
