import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'

t.test('npm ci warns of nothing: every package takes this Node, and none is deprecated', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'install-'))
  t.teardown(() => rm(folder, { recursive: true }))
  for (const file of ['package.json', 'package-lock.json']) await cp(file, join(folder, file))
  const env = { PATH: process.env['PATH'], HOME: folder, npm_config_update_notifier: 'false' }
  const { stderr } = await promisify(execFile)('npm', ['ci', '--dry-run', '--offline', '--ignore-scripts'], { cwd: folder, env, maxBuffer: 1e8 })
  t.equal(stderr, '')
  const packages: Record<string, { deprecated?: string }> = JSON.parse(await readFile('package-lock.json', 'utf8')).packages
  t.strictSame(Object.entries(packages).filter(([, { deprecated }]) => deprecated !== undefined).map(([name]) => name), [])
})
