/** A process of its own that runs many distinct texts through one pool, and says by how much the memory grew that they hold. */
import { setImmediate } from 'node:timers/promises'
import { createDatabase } from '../../src/index.js'

const [,, url = '', count, characters] = process.argv
const nobody = (): void => {}
const db = createDatabase({ url, min: 1, max: 1, log: { debug: nobody, info: nobody, warn: nobody, error: nobody } }, {})
const filler = 'x'.repeat(Number(characters))
/** The lowest of several readings: the memory behind freed buffers is given back by another thread, some time after a collection. */
async function held (): Promise<number> {
  let lowest = Infinity
  for (let reading = 0; reading < 20; reading++) {
    globalThis.gc?.()
    const { heapUsed, external } = process.memoryUsage()
    lowest = Math.min(lowest, heapUsed + external)
    await setImmediate()
  }
  return lowest
}
const hot = (n: number): Promise<unknown> => db.fetchVal('SELECT $1::int', n)
for (let n = 0; n < 10; n++) await hot(n)
const before = await held()
for (let n = 0; n < Number(count); n++) {
  const text = `SELECT $1::int /* ${n} ${filler} */`
  if (n % 10 === 0) await db.executeMany(`INSERT INTO held VALUES ($1) /* ${n} ${filler} */`, [[n]])
  else if (n % 10 === 1) await db.transaction((tx) => tx.fetchVal(text, n))
  else if (n % 10 === 2) for (let use = 0; use < 3; use++) await db.fetchVal(text, n)
  else await db.fetchVal(text, n)
  await hot(n)
}
const growth = (await held() - before) / 2 ** 20
await db.close()
console.log(JSON.stringify({ growth }))
