import type { Side } from '../case.js'
import { contenders, isNodeContender } from '../contenders/all.js'
import { isHttpContender } from '../http/apps.js'
import type { Installed } from '../installed.js'
import type { Child } from './child.js'
import { startFastApi, startFastify } from './http.js'
import { startNode, startNodeAnew } from './node.js'
import { startPgbench } from './pgbench.js'
import { startPython } from './python.js'

/** The process of a side, and how many connections it has once it is open. */
export async function startContender (side: Side, folder: string, url: string, { python, generate }: Installed): Promise<{ child: Child, connections: number }> {
  const name = side.contender
  if (side.work.name === 'heap') return { child: startNodeAnew(folder, name, url), connections: 0 }
  if (isNodeContender(name)) return { child: startNode(folder, name, url), connections: contenders[name].connections }
  if (isHttpContender(name)) return { child: await startFastify(folder, name, url, generate), connections: name === 'constant route' ? 0 : 10 }
  if (name === 'asyncpg') return { child: startPython(python, name, url), connections: 10 }
  if (name === 'FastAPI + asyncpg') return { child: await startFastApi(python, name, url, generate), connections: 10 }
  const [, clients] = /^pgbench, (\d+) clients?$/.exec(name) ?? []
  if (clients === undefined) throw new Error(`there is no contender ${name}`)
  return { child: startPgbench(Number(clients), url), connections: 0 }
}
