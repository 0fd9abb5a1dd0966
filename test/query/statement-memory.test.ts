import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { StatementCache } from '../../src/query/statement.js'
import { freshDatabase } from '../support/database.js'
import { UNTRACKED } from '../support/script.js'

/** Megabytes by which the memory that is held may grow. */
const LIMIT = 30

t.test('distinct texts, long ones and many, are held up to a few megabytes only', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE held (n int)')
  const child = fileURLToPath(new URL('../support/long-texts.ts', import.meta.url))
  for (const [count, characters] of [[300, 1_000_000], [5000, 16_000]] as const) {
    await t.test(`${count} of ${characters} characters`, async (t) => {
      const args = ['--expose-gc', '--import', 'tsx', child, observer.url, String(count), String(characters)]
      const { stdout } = await promisify(execFile)(process.execPath, args, { env: { PATH: process.env['PATH'], ...UNTRACKED } })
      const { growth } = JSON.parse(stdout) as { growth: number }
      t.ok(growth < LIMIT, `grew by ${growth.toFixed(1)} MB, at most ${LIMIT}`)
    })
  }
})

t.test('a text that is used again and again stays known, whatever comes in between', async (t) => {
  const cache = new StatementCache()
  const hot = cache.get('SELECT $1::int')
  let isForgotten = false
  for (let n = 0; n < 10_000; n++) {
    cache.get(`SELECT ${n}${' '.repeat(n % 7 === 0 ? 16_000 : n % 100)}`)
    isForgotten ||= cache.get('SELECT $1::int') !== hot
  }
  t.notOk(isForgotten)
  const long = `SELECT 1${' '.repeat(70_000)}`
  t.match([cache.get(long), hot], [{ isLong: true }, { isLong: false }])
  t.not(cache.get(long), cache.get(long), 'it is described anew each time')
  t.match(cache.get(`INSERT INTO t VALUES ($1) ${' '.repeat(70_000)}`), { parameters: 1, isPlanned: true }, 'as well as a short one')
})
