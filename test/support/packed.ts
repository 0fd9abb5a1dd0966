import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, realpath, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'

const execute = promisify(execFile)
const root = path.resolve(import.meta.dirname, '../..')

export interface Project {
  folder: string
  /** The files of the package, relative to it. */
  files: string[]
}

/**
 * An empty project with the package in it as npm packs it. All other packages are those of the checkout, by links, so that
 * nothing is downloaded. It is gone when the test ends.
 */
export async function installPacked (t: Test): Promise<Project> {
  const folder = await realpath(await mkdtemp(path.join(tmpdir(), 'fastify-postgres-js-installed-')))
  t.teardown(() => rm(folder, { recursive: true }))
  const staged = path.join(folder, 'staged')
  const packages = path.join(folder, 'node_modules')

  // A build in the checkout itself would remove a `dist` that someone else is reading.
  await execute(process.execPath, [path.join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json', '--outDir', path.join(staged, 'dist')], { cwd: root })
  for (const name of await readdir(root)) {
    if (/\.(md|json)$|^LICENSE$|^\.env\.example$|^docs$/.test(name)) await cp(path.join(root, name), path.join(staged, name), { recursive: true })
  }
  const { stdout } = await execute('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], { cwd: staged })
  const [{ filename, files }] = JSON.parse(stdout) as [{ filename: string, files: Array<{ path: string }> }]

  await mkdir(packages)
  for (const name of await readdir(path.join(root, 'node_modules'))) {
    if (!name.startsWith('.')) await symlink(await realpath(path.join(root, 'node_modules', name)), path.join(packages, name))
  }
  await mkdir(path.join(packages, 'fastify-postgres-js'))
  await execute('tar', ['-xzf', path.join(folder, filename), '-C', path.join(packages, 'fastify-postgres-js'), '--strip-components=1'])
  return { folder, files: files.map(({ path }) => path) }
}
