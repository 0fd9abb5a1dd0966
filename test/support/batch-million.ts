/** A process of its own that sends many rows in one batch, and says by how much its memory grew at most. */
import { createDatabase } from '../../src/index.js'

const [,, url = '', kind, batch, rows] = process.argv
const nobody = (): void => {}
const db = createDatabase({ url, min: 1, max: 1, log: { debug: nobody, info: nobody, warn: nobody, error: nobody } }, {})
const text = 'INSERT INTO rows VALUES ($1, $2)'

function * numbers (): Generator<[number, string]> {
  for (let n = 0; n < Number(rows); n++) yield [n, `some text that belongs to ${n}`]
}
async function * later (): AsyncGenerator<[number, string]> {
  yield * numbers()
}

await db.executeMany(text, Array.from({ length: 60 }, () => [-1, 'to warm up']))
await db.execute('TRUNCATE rows')
globalThis.gc?.()
const before = process.memoryUsage.rss()
let most = before
let progress = 0
const { count } = await db.executeMany({
  text,
  batch: batch === 'pipeline' ? 'pipeline' : 'auto',
  timeout: 0,
  onProgress: () => {
    progress++
    most = Math.max(most, process.memoryUsage.rss())
  },
}, kind === 'async' ? later() : numbers())
await db.close()
console.log(JSON.stringify({ count, progress, growth: (most - before) / 2 ** 20 }))
