import t from 'tap'
import type { Queryable, Query } from '../../src/index.js'
import { freshDatabase, openDatabase } from '../support/database.js'

const SUM = 'SELECT $1::int + $2::int AS sum'
type Helper = (on: Queryable, query: never, ...args: unknown[]) => Promise<unknown>

/** Every helper that takes arguments, and what it gives for the sum of 1 and 2. */
const HELPERS: Record<string, [run: Helper, gives: unknown]> = {
  fetchOne: [(on, query, ...args) => on.fetchOne(query, ...args), { sum: 3 }],
  fetchExactlyOne: [(on, query, ...args) => on.fetchExactlyOne(query, ...args), { sum: 3 }],
  fetchAll: [(on, query, ...args) => on.fetchAll(query, ...args), [{ sum: 3 }]],
  fetchVal: [(on, query, ...args) => on.fetchVal(query, ...args), 3],
  fetchColumn: [(on, query, ...args) => on.fetchColumn(query, ...args), [3]],
  query: [async (on, query, ...args) => (await on.query(query, ...args)).rows, [{ sum: 3 }]],
  execute: [(on, query, ...args) => on.execute(query, ...args), { status: 'SELECT 1', command: 'SELECT', count: 1 }],
  executeWithReturning: [(on, query, ...args) => on.executeWithReturning(query, ...args), { sum: 3 }],
}

t.test('{ text, values }', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer)
  const given = (query: unknown): never => query as never
  const refused = (code: string, words: RegExp): { code: string, message: RegExp } | { code: string, stack: RegExp } =>
    code === 'FST_PG_OPTION' ? { code, message: words } : { code, stack: words }

  for (const [name, [run, gives]] of Object.entries(HELPERS)) {
    t.test(`${name} takes it`, async (t) => {
      const on = async (on: Queryable): Promise<void> => {
        for (let round = 0; round < 3; round++) t.strictSame(await run(on, given({ text: SUM, values: [1, 2] })), gives)
        t.strictSame(await run(on, given({ text: SUM, values: Object.freeze(['1', '2']) })), gives)
        t.strictSame(await run(on, given({ text: SUM, values: undefined }), 1, 2), gives, 'not given')
        await t.rejects(run(on, given({ text: SUM, values: [1, 2] }), 1, 2), refused('FST_PG_QUERY', /given twice, by query\.values and behind the query/))
        await t.rejects(run(on, given({ text: SUM, values: [] }), 1, 2), refused('FST_PG_QUERY', /given twice/))
        await t.rejects(run(on, given({ text: SUM, values: [1, 2] }), [1, 2]), refused('FST_PG_QUERY', /given twice/))
        await t.rejects(run(on, given({ text: SUM, values: [1] })), refused('FST_PG_PARAMETER_COUNT', /given 1, but the statement takes 2/))
        await t.rejects(run(on, given({ text: SUM, values: [1, undefined] })), { code: 'FST_PG_VALUE' })
        await t.rejects(run(on, given({ text: SUM, values: Array(2) })), { code: 'FST_PG_VALUE' }, 'holes')
        for (const values of [null, 1, 'ab', { 0: 1, 1: 2, length: 2 }, new Set([1, 2]), () => [1, 2]]) {
          await t.rejects(run(on, given({ text: SUM, values })), refused('FST_PG_OPTION', /^query\.values takes an array of the arguments$/))
        }
      }
      await on(db)
      const lease = await db.acquire()
      await on(lease)
      await lease.release()
      await db.transaction(on)
      await db.transaction((tx) => tx.transaction(on))
    })

    t.test(`${name} says what to do with pg's options`, async (t) => {
      const answers: Array<[option: object, message: RegExp]> = [
        [{ name: 'sum' }, /^query\.name is no option here: leave it out, statements are prepared by themselves/],
        [{ rowMode: 'array' }, /^query\.rowMode is no option here: write rows: 'array'$/],
        [{ types: { getTypeParser: () => String } }, /^query\.types is no option here: leave it out, .* cast in the text/],
        [{ binary: true }, /^query\.binary is no option here: leave it out/],
        [{ query_timeout: 5000 }, /^query\.query_timeout is no option here: write timeout, in seconds$/],
        [{ queryMode: 'extended' }, /^query\.queryMode is no option here/],
        [{ portal: 'p' }, /^query\.portal is no option here/],
        [{ callback: () => {} }, /^query\.callback is no option here/],
        [{ submit: () => {} }, /^query\.submit is no option here: cursors/],
        [{ params: [1, 2] }, /^query\.params is no option here: write values$/],
        [{ strings: ['', ''] }, /^query\.strings is no option here: pass \{ text: query\.text, values: query\.values \}/],
        [{ vales: [1, 2] }, /^unknown option query\.vales: did you mean query\.values\?$/],
      ]
      for (const [option, message] of answers) {
        await t.rejects(run(db, given({ text: SUM, values: [1, 2], ...option })), refused('FST_PG_OPTION', message))
      }
    })
  }

  t.test('the array is the caller\'s, who may change it while the call waits', async (t) => {
    const single = await openDatabase(t, observer, { min: 1, max: 1 })
    const lease = await single.acquire()
    const values = [1, 2]
    const waiting = single.fetchVal({ text: SUM, values })
    values.length = 0
    values.push(50)
    await lease.release()
    t.equal(await waiting, 3)
    t.strictSame(values, [50])
  })

  t.test('what throws when it is read is an error of that call', async (t) => {
    const hostile = [
      { text: SUM, get values () { throw new Error('getter') } },
      { text: SUM, values: new Proxy([1, 2], { get: () => { throw new Error('proxy') } }) },
      { text: SUM, values: Object.defineProperty([1, 2], 1, { get: () => { throw new Error('element') } }) },
    ]
    for (const query of hostile) await t.rejects(db.fetchVal(query as unknown as Query), { code: 'FST_PG_OPTION', message: /^query cannot be read: it throws/ })
    let reads = 0
    const once = { text: SUM, get values () { return reads++ === 0 ? [1, 2] : [] } }
    t.equal(await db.fetchVal(once), 3)
  })

  t.test('execute runs a script without arguments, and refuses one with them', async (t) => {
    await t.resolves(db.execute({ text: 'SELECT 1; SELECT 2', values: [] }))
    await t.rejects(db.execute({ text: 'SELECT $1::int; SELECT 2', values: [1] }), { code: '42601' })
  })

  t.test('a batch refuses values by name, also where an object inherits them', async (t) => {
    class Made {
      text = SUM
      get values (): number[] { return [1, 2] }
    }
    const refusal = refused('FST_PG_OPTION', /^query\.values is not for a batch: its lists of arguments are the second argument$/)
    for (const query of [{ text: SUM, values: [1, 2] }, { text: SUM, values: [] }, new Made()]) {
      await t.rejects(db.executeMany(query, [[1, 2]]), refusal)
      await t.rejects(db.executeManyWithReturning(query, [[1, 2]]), refusal)
      await t.rejects(db.transaction((tx) => tx.executeMany(query, [[1, 2]])), refusal)
    }
    t.equal(await db.fetchVal(new Made()), 3)
    await t.rejects(db.executeMany({ text: SUM, name: 'sum' } as { text: string }, [[1, 2]]), refused('FST_PG_OPTION', /^query\.name is no option here: leave it out/))
    await t.rejects(db.executeManyWithReturning({ text: SUM, rowMode: 'array' } as { text: string }, [[1, 2]]), refused('FST_PG_OPTION', /^query\.rowMode is no option here/))
  })
})
