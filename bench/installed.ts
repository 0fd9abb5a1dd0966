import { spawnSync } from 'node:child_process'
import { autocannonLoad, wrk, type LoadGenerator } from './http/generator.js'

/** What the machine has of the contenders that npm does not install. */
export interface Installed {
  /** The interpreter that has asyncpg. */
  python: string
  generate: LoadGenerator
  /** Contenders that are not there → how to install them. */
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

export function findInstalled (): Installed {
  const missing = new Map<string, string>()
  const versions: string[] = []

  // The first may be another one than Debian's, which has the packages.
  const modules = (python: string): string => output(python, '-c', LIST_MODULES)
  const pythons = ['python3', '/usr/bin/python3']
  const python = pythons.find((python) => modules(python) !== '')
  if (python === undefined) missing.set('asyncpg', 'apt-get install python3-asyncpg python3-uvloop')
  else versions.push(modules(python))
  const web = output(python ?? 'python3', '-c', 'import asyncpg, fastapi, uvicorn; print(f"FastAPI {fastapi.__version__} on uvicorn {uvicorn.__version__}")')
  if (web === '') missing.set('FastAPI + asyncpg', 'apt-get install python3-asyncpg python3-fastapi uvicorn python3-uvloop python3-httptools')
  else versions.push(web)

  const pgbench = output('pgbench', '--version')
  if (pgbench === '') for (const clients of ['1 client', '10 clients', '50 clients']) missing.set(`pgbench, ${clients}`, 'apt-get install postgresql-contrib')
  else versions.push(pgbench)

  const hasWrk = output('wrk', '-v').startsWith('wrk')
  versions.push(hasWrk ? output('wrk', '-v').split(' [')[0] ?? '' : 'autocannon')
  const remarks = hasWrk ? [] : ['wrk is not installed (apt-get install wrk): autocannon sends the requests, and its own processor time blurs the ratios']
  return { python: python ?? 'python3', generate: hasWrk ? wrk : autocannonLoad, missing, versions, remarks }
}

/** The first line that a program prints, or nothing if it is not there or fails. wrk tells its version with a code other than 0. */
function output (program: string, ...args: string[]): string {
  const { error, status, stdout } = spawnSync(program, args, { encoding: 'utf8' })
  if (error !== undefined || (status !== 0 && program !== 'wrk')) return ''
  return stdout.split('\n')[0] ?? ''
}
