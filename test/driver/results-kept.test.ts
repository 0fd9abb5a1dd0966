import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import type { Queryable } from '../../src/index.js'
import { freshDatabase, openDatabase } from '../support/database.js'

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

t.test('an idle connection keeps nothing of what was read on it', async (t) => {
  const db = await openDatabase(t, await freshDatabase(t), { min: 1, max: 1 })
  const read = async (on: Queryable): Promise<WeakRef<object>> => {
    const text = 'SELECT n, repeat(\'x\', 100) FROM generate_series(1, $1) n'
    for (let run = 0; run < 3; run++) await on.fetchAll(text, 10)
    const [row] = await on.fetchAll(text, 1000)
    if (row === undefined) throw new Error('no rows')
    return new WeakRef(row)
  }
  const reads: Array<[name: string, read: () => Promise<WeakRef<object>>]> = [
    ['a single call', () => read(db)],
    ['a transaction', () => db.transaction(read)],
  ]
  for (const [name, work] of reads) {
    const row = await work()
    await turn() // a WeakRef holds its target until the end of the turn
    await turn()
    collectGarbage()
    t.equal(row.deref(), undefined, name)
  }
})
