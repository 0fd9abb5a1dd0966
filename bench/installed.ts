import { spawnSync } from 'node:child_process'
import { pathToFileURL } from 'node:url'
import { fetchBun, fetchNode24, fetchSlonik, SLONIK } from './fetched.js'
import { isHttpContender } from './http/apps.js'
import { autocannonLoad, wrk, type LoadGenerator } from './http/generator.js'
import { isPgbenchContender, pgbenchContenders } from './processes/pgbench.js'

/** What the machine has of the contenders that this repository does not install. */
export interface Installed {
  /** The interpreter that has asyncpg. */
  python: string
  bun: string
  node24: string
  generate: LoadGenerator
  /** Contenders that are not there → why, or how to install them. */
  missing: ReadonlyMap<string, string>
  versions: readonly string[]
  remarks: readonly string[]
}

const LIST_MODULES = `
import asyncpg, sys
found = [f"Python {sys.version.split()[0]}", f"asyncpg {asyncpg.__version__}"]
for name in "uvloop", "httptools":
  try: found.append(f"{name} {__import__(name).__version__}")
  except ImportError: found.append(f"no {name}")
print(", ".join(found))`

/** `contenders`: those of the run; nothing is looked for, or fetched, for others. */
export function findInstalled (contenders: ReadonlySet<string>): Installed {
  const missing = new Map<string, string>()
  const versions: string[] = []
  const remarks: string[] = []
  function found (version: string, names: readonly string[], otherwise: string): void {
    if (version !== '') versions.push(version)
    else for (const name of names) if (contenders.has(name)) missing.set(name, otherwise)
  }

  // The first may be another one than Debian's, which has the packages.
  const modules = (python: string): string => output(python, '-c', LIST_MODULES)
  const python = ['python3', '/usr/bin/python3'].find((python) => modules(python) !== '') ?? 'python3'
  if (contenders.has('asyncpg')) found(modules(python), ['asyncpg'], 'apt-get install python3-asyncpg python3-uvloop')
  if (contenders.has('FastAPI + asyncpg')) {
    const web = output(python, '-c', 'import asyncpg, fastapi, uvicorn; print(f"FastAPI {fastapi.__version__} on uvicorn {uvicorn.__version__}")')
    found(web, ['FastAPI + asyncpg'], 'apt-get install python3-asyncpg python3-fastapi uvicorn python3-uvloop python3-httptools')
  }

  if ([...contenders].some(isPgbenchContender)) {
    const pgbench = output('pgbench', '--version')
    found(pgbench, Object.keys(pgbenchContenders), 'apt-get install postgresql-contrib')
    // Before 14 it knows no pipelines.
    const pipelines = Object.entries(pgbenchContenders).flatMap(([name, { pipeline }]) => pipeline > 1 ? [name] : [])
    if (Number(/\d+/.exec(pgbench)?.[0]) < 14) found('', pipelines, `${pgbench} has no pipelines`)
  }

  let bun = ''
  if (contenders.has('Bun.sql')) {
    const fetched = fetchBun()
    if ('path' in fetched) bun = fetched.path
    const version = bun === '' ? '' : output(bun, '--version')
    found(version === '' ? '' : `Bun ${version}`, ['Bun.sql'], 'error' in fetched ? fetched.error : 'it does not run')
  }

  let node24 = ''
  if (contenders.has('slonik')) {
    const [fetched, module] = [fetchNode24(), fetchSlonik()]
    if ('path' in fetched) node24 = fetched.path
    if ('path' in module) process.env['BENCH_SLONIK'] = pathToFileURL(module.path).href
    const version = node24 === '' || 'error' in module ? '' : output(node24, '--version')
    const failure = [fetched, module].flatMap((one) => 'error' in one ? [one.error] : [])
    found(version === '' ? '' : `${SLONIK} on Node ${version}, as it runs on no older one`, ['slonik'], failure[0] ?? 'it does not run')
  }

  const hasWrk = output('wrk', '-v').startsWith('wrk')
  const sendsRequests = [...contenders].some(isHttpContender)
  if (sendsRequests) versions.push(hasWrk ? output('wrk', '-v').split(' [')[0] ?? '' : 'autocannon')
  if (sendsRequests && !hasWrk) remarks.push('wrk is not installed (apt-get install wrk): autocannon sends the requests, and its own processor time blurs the ratios')
  return { python, bun, node24, generate: hasWrk ? wrk : autocannonLoad, missing, versions, remarks }
}

/** The first line that a program prints, or nothing if it is not there or fails. wrk tells its version with a code other than 0. */
function output (program: string, ...args: string[]): string {
  const { error, status, stdout } = spawnSync(program, args, { encoding: 'utf8' })
  if (error !== undefined || (status !== 0 && program !== 'wrk')) return ''
  return stdout.split('\n')[0] ?? ''
}
