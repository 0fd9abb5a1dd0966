import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import autocannon from 'autocannon'
import { ROWS, TWENTY } from '../statements.js'
import type { Work } from '../work.js'

type HttpWork = Extract<Work, { name: 'http' }>

/** Sends requests without a pause, and says how many were answered per second. Rejects if one was not answered with 200. */
export type LoadGenerator = (origin: string, work: HttpWork) => Promise<number>

const script = fileURLToPath(new URL('users.lua', import.meta.url))

/** From there on a request has as many users as it wants. */
export const HIGHEST = ROWS - TWENTY + 1

/** It is written in C, so that it leaves as much of the machine as possible to who is measured. */
export async function wrk (origin: string, { path, connections, seconds }: HttpWork): Promise<number> {
  const target = path.includes(':id') ? ['-s', script, origin, '--', path, String(HIGHEST)] : [origin + path]
  const running = promisify(execFile)('wrk', ['-t1', '--timeout', '60s', `-c${connections}`, `-d${Math.ceil(seconds) + 1}s`, ...target])
  // It takes whole seconds only; interrupted, it reports what it measured until then.
  const interrupt = setTimeout(() => running.child.kill('SIGINT'), seconds * 1000)
  const { stdout } = await running.finally(() => clearTimeout(interrupt))
  const complaint = /(?:Non-2xx|Socket errors).*/.exec(stdout)?.[0]
  if (complaint !== undefined) throw new Error(`wrk: ${complaint}`)
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1])
}

export async function autocannonLoad (origin: string, { path, connections, seconds }: HttpWork): Promise<number> {
  let id = 1
  const setupRequest = (request: autocannon.Request): autocannon.Request => {
    id = id * 48_271 % 2_147_483_647
    return { ...request, path: path.replace(':id', String(id % HIGHEST + 1)) }
  }
  const { errors, non2xx, requests } = await autocannon({ url: origin, connections, duration: Math.ceil(seconds), requests: [{ setupRequest }] })
  if (errors + non2xx > 0) throw new Error(`autocannon: ${errors} errors, ${non2xx} answers other than 2xx`)
  return requests.average
}
