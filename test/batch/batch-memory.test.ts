import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { freshDatabase } from '../support/database.js'
import { UNTRACKED } from '../support/script.js'

const MILLION = 1_000_000
/** Megabytes by which the resident memory of the process may grow. */
const LIMIT = 150

t.test('a million rows from a generator take bounded memory', async (t) => {
  const observer = await freshDatabase(t)
  const child = fileURLToPath(new URL('../support/batch-million.ts', import.meta.url))
  for (const [kind, batch, rows] of [['async', 'auto', MILLION], ['sync', 'auto', MILLION], ['sync', 'pipeline', MILLION / 4]] as const) {
    await t.test(`${kind}, batch: '${batch}'`, async (t) => {
      await observer.rows('DROP TABLE IF EXISTS rows; CREATE TABLE rows (n int, s text)')
      const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', '--import', 'tsx', child, observer.url, kind, batch, String(rows)], { env: { PATH: process.env['PATH'], ...UNTRACKED } })
      const { count, growth, progress } = JSON.parse(stdout) as { count: number, growth: number, progress: number }
      t.equal(count, rows)
      t.ok(growth < LIMIT, `grew by ${growth.toFixed(0)} MB, at most ${LIMIT}`)
      t.ok(progress >= rows / 10_000, `${progress} chunks`)
      t.same(await observer.rows('SELECT count(*)::int, count(DISTINCT n)::int AS numbers FROM rows'), [{ count: rows, numbers: rows }])
    })
  }
})
