import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

// Runtimes of 100 MB that only this benchmark needs, and of a version that not every platform has: no dependencies, they are fetched when a
// run first needs them.
const BUN = 'bun@1.4.5'
const NODE_24 = '24.21.0'
export const SLONIK = 'slonik@49.10.9'
const CACHE = fileURLToPath(new URL('../node_modules/.cache/bench/', import.meta.url))
/** Milliseconds. */
const LIMIT = 180_000
const EXTENSION = process.platform === 'win32' ? '.exe' : ''

/** Where the executable should be, or what is wrong; whether it runs is for the caller to see. */
type Fetched = { path: string } | { error: string }

/** Bun's package has one package with its binary for each platform, of which npm installs the right one. */
export function fetchBun (): Fetched {
  const modules = fetchPackage(BUN)
  if ('error' in modules) return modules
  const scope = join(modules.path, '@oven')
  const paths = existsSync(scope) ? readdirSync(scope).map((name) => join(scope, name, 'bin', `bun${EXTENSION}`)) : []
  const path = paths.find((path) => existsSync(path))
  return path === undefined ? { error: `${BUN} has no binary for ${process.platform} ${process.arch}` } : { path }
}

/** Node 24, for what does not run on an older one: this one, or one that npm has. */
export function fetchNode24 (): Fetched {
  if (Number(process.versions.node.split('.')[0]) >= 24) return { path: process.execPath }
  const platform = process.platform === 'win32' ? 'win' : process.platform
  const name = `node-${platform}-${process.arch}`
  const modules = fetchPackage(`${name}@${NODE_24}`)
  return 'error' in modules ? modules : { path: join(modules.path, name, 'bin', `node${EXTENSION}`) }
}

/** slonik, whose last version is for Node 24 only: as a dependency, `npm ci` would warn of it on an older one. */
export function fetchSlonik (): Fetched {
  const modules = fetchPackage(SLONIK)
  return 'error' in modules ? modules : { path: join(modules.path, 'slonik', 'dist', 'index.js') }
}

/** The folder of its modules. No script of it is run. */
function fetchPackage (spec: string): Fetched {
  const path = join(CACHE, spec, 'node_modules')
  if (existsSync(path)) return { path }
  // An install that is interrupted leaves nothing that looks complete.
  const folder = join(CACHE, `${spec}.partial`)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', '--fetch-retries=1', '--loglevel=error']
  const { status, stderr, error } = spawnSync('npm', ['install', ...options, '--prefix', folder, spec], {
    encoding: 'utf8', timeout: LIMIT, shell: process.platform === 'win32',
  })
  if (status === 0) {
    renameSync(folder, join(CACHE, spec))
    return { path }
  }
  rmSync(folder, { recursive: true, force: true })
  return { error: `npm cannot install ${spec}: ${error?.message ?? stderr.trim().split('\n')[0] ?? ''}` }
}
