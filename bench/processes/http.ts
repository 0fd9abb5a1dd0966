import { fork, spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../tools/embedded-postgres/free-port.js'
import type { LoadGenerator } from '../http/generator.js'
import type { Measured, Work } from '../work.js'
import { environment, LIMIT, type Child } from './child.js'

/** A Fastify app of http/apps.ts. */
export async function startFastify (folder: string, name: string, url: string, generate: LoadGenerator): Promise<Child> {
  const port = await freePort()
  const env = environment({ BENCH_CONTENDER: name, BENCH_URL: url, BENCH_PORT: String(port) })
  return httpChild(name, port, fork(join(folder, 'bench/http/server.js'), { env }), generate)
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

  // The apps themselves look at each row; this looks at what comes out of them.
  async function check (path: string): Promise<void> {
    const response = await fetch(origin + path.replace(':id', '77'))
    const body = await response.text()
    const right = path === '/api/health' ? /^\{"status":"healthy","database":\{.{60,}\}\}$/ : /^\{"id":77,"name":"name of row 77"\}$/
    if (response.status !== 200 || !right.test(body)) throw new Error(`${name}: ${path} gives ${response.status} ${body}`)
  }

  async function measure (work: Work): Promise<Measured> {
    if (work.name !== 'http') throw new Error(`${name} does not do ${work.name}`)
    await check(work.path)
    return { rate: await generate(origin, work) }
  }

  return { open, measure, kill: () => { child.kill('SIGKILL') } }
}
