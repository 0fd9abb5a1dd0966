import { fork, spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../tools/embedded-postgres/free-port.js'
import { HIGHEST, type LoadGenerator } from '../http/generator.js'
import { TWENTY } from '../statements.js'
import type { Measured, Work } from '../work.js'
import { environment, LIMIT, type Child } from './child.js'

type HttpWork = Extract<Work, { name: 'http' }>

function isRight (path: HttpWork['path'], id: number, body: string): boolean {
  const user = (id: number): string => `{"id":${id},"name":"name of row ${id}"}`
  switch (path) {
    case '/users/:id': return body === user(id)
    case '/users/:id/twenty': return body === `[${Array.from({ length: TWENTY }, (_, index) => user(id + index)).join(',')}]`
    case '/api/health': return /^\{"status":"healthy","database":\{.{60,}\}\}$/.test(body)
  }
}

/** A Fastify app of http/apps.ts. */
export async function startFastify (folder: string, name: string, url: string, generate: LoadGenerator): Promise<Child> {
  const port = await freePort()
  const env = environment({ BENCH_CONTENDER: name, BENCH_URL: url, BENCH_PORT: String(port) })
  // Without the loader that this process has: it would transform what is compiled already.
  return httpChild(name, port, fork(join(folder, 'bench/http/server.js'), { env, execArgv: [] }), generate)
}

export async function startFastApi (python: string, name: string, url: string, generate: LoadGenerator): Promise<Child> {
  const port = await freePort()
  const script = fileURLToPath(new URL('../python/fastapi_app.py', import.meta.url))
  const env = environment({ BENCH_URL: url, BENCH_PORT: String(port) })
  return httpChild(name, port, spawn(python, [script], { env, stdio: ['ignore', 'inherit', 'inherit'] }), generate)
}

function httpChild (name: string, port: number, child: ChildProcess, generate: LoadGenerator): Child {
  const origin = `http://127.0.0.1:${port}`

  async function open (): Promise<void> {
    for (const end = performance.now() + LIMIT; ;) {
      if (child.exitCode !== null) throw new Error(`${name} has ended (${child.exitCode})`)
      if (await fetch(origin).then(() => true, () => false)) return
      if (performance.now() > end) throw new Error(`${name} does not answer`)
      await sleep(50)
    }
  }

  // The apps themselves look at each row, and the load generator at each status; this looks at what comes out of them.
  async function check (path: HttpWork['path'], id: number): Promise<void> {
    const response = await fetch(origin + path.replace(':id', String(id)))
    const body = await response.text()
    if (response.status !== 200 || !isRight(path, id, body)) throw new Error(`${name}: ${path} gives ${response.status} ${body}`)
  }

  /** Before the load, and in the midst of it. */
  async function checkUntil (ended: AbortSignal, path: HttpWork['path']): Promise<void> {
    for (let id = 77; !ended.aborted; id += 77) {
      await check(path, id % HIGHEST + 1)
      await sleep(100, undefined, { signal: ended }).catch(() => {})
    }
  }

  async function measure (work: Work): Promise<Measured> {
    if (work.name !== 'http') throw new Error(`${name} does not do ${work.name}`)
    await check(work.path, 77)
    const ended = new AbortController()
    const checks = checkUntil(ended.signal, work.path)
    checks.catch(() => {}) // is looked at below
    const rate = await generate(origin, work).finally(() => ended.abort())
    await checks
    return { rate }
  }

  return { open, measure, kill: () => { child.kill('SIGKILL') } }
}
