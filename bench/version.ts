import { execFileSync, spawnSync } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** A compiled version of this package; only what it exports as `./core` is used, for the files behind it have moved. */
export interface Version {
  label: string
  /** The URL of `./core`. */
  entry: string
  remove (): Promise<void>
}

/** The working tree, with what is not committed. */
export function buildThis (): Promise<Version> {
  return inTemporaryFolder('this', async (folder) => {
    await cp(join(root, 'package.json'), join(folder, 'package.json'))
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
    compile(folder, root)
  })
}

/** Another commit, with its own compiler settings, and with its own dependencies where they differ. */
export function buildCommit (ref: string): Promise<Version> {
  return inTemporaryFolder(ref, async (folder) => {
    const archive = execFileSync('git', ['archive', '--format=tar', `${ref}^{commit}`], { cwd: root, maxBuffer: 1 << 30 })
    execFileSync('tar', ['-x', '-C', folder], { input: archive })
    const [mine, theirs] = await Promise.all([root, folder].map((place) => readFile(join(place, 'package-lock.json'), 'utf8')))
    if (mine === theirs) await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
    else execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] })
    compile(folder, folder)
  })
}

async function inTemporaryFolder (label: string, make: (folder: string) => Promise<void>): Promise<Version> {
  const folder = await mkdtemp(join(tmpdir(), 'fastify-postgres-js-against-'))
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true })
  try {
    await make(folder)
    const { exports } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
    const core: unknown = exports?.['./core']?.default
    if (typeof core !== 'string') throw new Error(`${label} has no export ./core`)
    return { label, entry: pathToFileURL(join(folder, core)).href, remove }
  } catch (error) {
    await remove()
    throw error
  }
}

function compile (folder: string, source: string): void {
  const compiler = join(folder, 'node_modules/typescript/bin/tsc')
  const { status, stdout } = spawnSync(process.execPath, [compiler, '-p', join(source, 'tsconfig.build.json'), '--outDir', join(folder, 'dist')], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`tsc failed:\n${stdout}`)
}
