import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import t from 'tap'
import { createDatabase } from '../../src/index.js'
import { startPostgres } from '../../testing/index.js'
import { Observer, until } from '../support/database.js'
import { UNTRACKED } from '../support/script.js'

t.test('a server: its address, its settings and its log, until it is stopped', async (t) => {
  const lines: string[] = []
  const postgres = await startPostgres({
    settings: { max_connections: 7, log_connections: 'on' },
    log: (line) => {
      lines.push(line)
      throw new Error('a log that throws')
    },
  })
  const { url, host, port, user, password } = postgres
  t.equal(url, `postgres://${user}:${password}@${host}:${port}/postgres`)
  const db = createDatabase({ host, port, user, password, database: 'postgres', min: 1, max: 1 }, {})
  t.equal(await db.fetchVal('SHOW max_connections'), '7')
  await db.close()
  t.ok(lines.some((line) => /connection authorized/.test(line)))
  await Promise.all([postgres.stop(), postgres.stop()])
  await postgres[Symbol.asyncDispose]()
  await t.rejects(new Observer(url).open())
})

t.test('what it cannot start with', async (t) => {
  await t.rejects(startPostgres({ settings: { no_such_setting: 1 } }), { code: 'FST_PG_TEST_SERVER', message: /no_such_setting/ })
  await t.rejects(startPostgres(null as never), { code: 'FST_PG_OPTION' })
  await t.rejects(startPostgres({ port: 1 } as never), { code: 'FST_PG_OPTION', message: /startPostgres\.port/ })
  await t.rejects(startPostgres({ settings: 'x' as never }), { code: 'FST_PG_OPTION' })
  await t.rejects(startPostgres({ settings: { work_mem: true as never } }), { code: 'FST_PG_OPTION' })
  await t.rejects(startPostgres({ log: 'x' as never }), { code: 'FST_PG_OPTION' })
  await t.rejects(startPostgres({ get log (): never { throw new Error('no') } }), { code: 'FST_PG_OPTION' })
})

t.test('nothing is left when the process is killed', async (t) => {
  const script = `
    import { startPostgres } from ${JSON.stringify(import.meta.resolve('../../testing/index.js').replace(/\.js$/, '.ts'))}
    import { createDatabase } from ${JSON.stringify(import.meta.resolve('../../src/index.js').replace(/\.js$/, '.ts'))}
    const { url } = await startPostgres()
    const db = createDatabase({ url, min: 1, max: 1 })
    console.log(JSON.stringify([url, await db.fetchVal('SHOW data_directory')]))
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', script], {
    env: { PATH: process.env['PATH'], ...UNTRACKED }, stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = await once(child.stdout.setEncoding('utf8'), 'data') as [string]
  const [url, folder] = JSON.parse(line) as [string, string]
  t.ok(existsSync(folder))
  const observer = await new Observer(url).open()
  await observer.close()
  child.kill('SIGKILL')
  await until(() => !existsSync(folder), 30)
  await t.rejects(new Observer(url).open())
})
