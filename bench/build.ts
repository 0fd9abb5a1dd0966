import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** The compiled library and benchmark, in a folder of their own. */
export interface Build {
  folder: string
  remove (): Promise<void>
}

/** Compiles as `npm run build` does: a loader such as tsx adds a cost to every closure, which users do not pay. */
export async function build (): Promise<Build> {
  const folder = await mkdtemp(join(tmpdir(), 'fastify-postgres-js-bench-'))
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true })
  try {
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
    const compiler = join(root, 'node_modules/typescript/bin/tsc')
    const { status, stdout } = spawnSync(process.execPath, [compiler, '-p', join(root, 'bench'), '--outDir', folder], { encoding: 'utf8' })
    if (status !== 0) throw new Error(`tsc failed:\n${stdout}`)
    return { folder, remove }
  } catch (error) {
    await remove()
    throw error
  }
}
