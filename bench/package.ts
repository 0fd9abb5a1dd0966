import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** The package as it is published, compiled from some commit. */
export interface BuiltPackage {
  /** The folder of its compiled files. */
  readonly folder: string
  /** The module behind `fastify-postgres-js/core`. */
  readonly core: string
  remove (): Promise<void>
}

/** Builds the package of the working tree, or of the commit `ref`, with what that commit's own files say. */
export async function buildPackage (ref?: string): Promise<BuiltPackage> {
  const temporary = await mkdtemp(join(tmpdir(), 'fastify-postgres-js-package-'))
  const remove = (): Promise<void> => rm(temporary, { recursive: true, force: true })
  const run = (folder: string, command: string, ...args: string[]): string => execFileSync(command, args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    const source = ref === undefined ? root : join(temporary, 'source')
    if (ref !== undefined) {
      const archive = join(temporary, 'source.tar')
      run(root, 'git', 'archive', '--prefix=source/', '-o', archive, ref)
      run(temporary, 'tar', '-xf', archive)
      const isSame = await readFile(join(root, 'package-lock.json'), 'utf8') === await readFile(join(source, 'package-lock.json'), 'utf8')
      if (isSame) await symlink(join(root, 'node_modules'), join(source, 'node_modules'))
      else run(source, 'npm', 'ci', '--silent')
    }
    const folder = join(temporary, 'dist')
    run(source, process.execPath, join(source, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json', '--outDir', folder)
    const manifest = JSON.parse(await readFile(join(source, 'package.json'), 'utf8'))
    await symlink(join(source, 'node_modules'), join(temporary, 'node_modules'))
    await symlink(join(source, 'package.json'), join(temporary, 'package.json'))
    return { folder, core: join(temporary, manifest.exports['./core'].default), remove }
  } catch (error) {
    await remove()
    throw error
  }
}
