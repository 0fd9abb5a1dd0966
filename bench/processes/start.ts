import type { Side } from '../case.js'
import { contenders, isNodeContender } from '../contenders/all.js'
import { isHttpContender } from '../http/apps.js'
import type { Installed } from '../installed.js'
import type { Child } from './child.js'
import { startHops } from './hops.js'
import { startFastApi, startFastify } from './http.js'
import { startBun, startNode, startNodeAnew } from './node.js'
import { pgbenchContenders, startPgbench } from './pgbench.js'
import { startPython } from './python.js'

/** Whether it is no part of this repository: where it does not run, the others are compared without it. */
export function isOptional (name: string): boolean {
  return name === 'slonik' || !(isNodeContender(name) || isHttpContender(name))
}

/** The process of a side, and how many connections it has once it is open. */
export async function startContender (side: Side, folder: string, url: string, { python, bun, node24, generate }: Installed): Promise<{ child: Child, connections: number }> {
  const name = side.contender
  if (side.work.name === 'heap') return { child: startNodeAnew(folder, name, url), connections: 0 }
  if (side.work.name === 'hops') return { child: startHops(folder, url), connections: 0 }
  if (isNodeContender(name)) {
    const executable = name === 'slonik' ? node24 : process.execPath
    return { child: startNode(folder, name, url, executable), connections: contenders[name].connections }
  }
  if (isHttpContender(name)) return { child: await startFastify(folder, name, url, generate), connections: name === 'constant route' ? 0 : 10 }
  if (name === 'Bun.sql') return { child: startBun(bun, folder, name, url), connections: 10 }
  if (name === 'asyncpg') return { child: startPython(python, name, url), connections: 10 }
  if (name === 'FastAPI + asyncpg') return { child: await startFastApi(python, name, url, generate), connections: 10 }
  const pgbench = pgbenchContenders[name]
  if (pgbench === undefined) throw new Error(`there is no contender ${name}`)
  return { child: startPgbench(pgbench, url), connections: 0 }
}
