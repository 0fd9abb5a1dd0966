import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { unwatchCalls } from '../support/disclosure.js'
import { freshDatabase, openDatabase } from '../support/database.js'

const SETUP = 'CREATE TABLE things (a int, b text, tags text[], data jsonb)'
const VALUES = 'INSERT INTO things VALUES ($1, $2, $3, $4)'

t.test('undefined becomes what the option says, for every helper and in every part of a template', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows(SETUP)
  const db = await openDatabase(t, observer, { transform: { undefined: null } })
  const { sql } = db
  const rows = async (): Promise<unknown[]> => {
    const rows = await observer.rows('SELECT * FROM things ORDER BY a, b')
    await observer.rows('DELETE FROM things')
    return rows
  }
  const row = { a: 1, b: null, tags: ['x', null], data: null }
  const args = [1, undefined, ['x', undefined], undefined]
  const holey: unknown[] = [1]
  holey[2] = Object.assign(['x'], { length: 2 })
  holey.length = 4
  for (let run = 0; run < 3; run++) {
    await db.execute(VALUES, ...args)
    await db.execute({ text: VALUES, values: args })
    await db.execute({ text: VALUES, values: holey })
    await sql.unsafe(VALUES, args)
    await sql.unsafe(VALUES, holey)
    await sql`INSERT INTO things VALUES (${1}, ${undefined}, ${['x', undefined]}, ${undefined})`
    await sql`INSERT INTO things ${sql({ a: 1, b: undefined, tags: ['x', undefined], data: undefined })}`
    await sql`INSERT INTO things ${sql([row, { ...row, b: undefined }], 'a', 'b', 'tags', 'data')}`
    await sql`INSERT INTO things ${sql({ a: 1, b: sql`nullif(${undefined}::text, ${''})`, tags: sql.array(['x', undefined]), data: sql.typed(undefined, 3802) })}`
    t.strictSame(await rows(), Array.from({ length: 10 }, () => row))
  }
  await observer.rows("INSERT INTO things VALUES (7, 'old', '{old}', '1')")
  await sql`UPDATE things SET ${sql({ b: undefined, tags: undefined })} WHERE a IN ${sql([7, undefined])} AND ${undefined}::int IS NULL`
  t.strictSame(await rows(), [{ a: 7, b: null, tags: null, data: 1 }])
  t.strictSame([...await sql`SELECT ${sql({ x: undefined })}, ${undefined}::int AS y`], [{ x: null, y: null }])
  t.strictSame(await db.fetchOne`SELECT ${undefined}::int AS y ${sql`, ${undefined}::int AS z`}`, { y: null, z: null })
  t.strictSame(await db.fetchVal('SELECT $1::int[]', [[1, undefined], [undefined, 2]]), [[1, null], [null, 2]])
  t.strictSame(await db.fetchVal('SELECT $1::jsonb', { a: undefined, b: [undefined] }), { b: [null] }, 'in JSON it is as JSON has it')
})

t.test('lists of a batch, from each kind of source', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows(SETUP)
  const db = await openDatabase(t, observer, { transform: { undefined: null } })
  for (const count of [1, 60, 1_200]) {
    const lists = Array.from({ length: count }, (_, index) => [index, undefined, undefined, index % 2 === 0 ? undefined : [undefined]])
    const sources: Array<() => Iterable<unknown[]> | AsyncIterable<unknown[]>> = [() => lists, () => new Set(lists), async function * () { yield * lists }, function * () { yield * lists }]
    for (const source of sources) {
      for (const batch of ['auto', 'pipeline'] as const) {
        t.strictSame(await db.executeMany({ text: VALUES, batch }, source()), { count })
        t.strictSame(await db.executeManyWithReturning({ text: `${VALUES} RETURNING a, b`, batch }, source()), lists.map(([a]) => ({ a, b: null })))
        t.strictSame(await observer.rows('SELECT count(*)::int, count(b)::int AS b, count(tags)::int AS tags, count(data)::int AS data FROM things'), [{ count: 2 * count, b: 0, tags: 0, data: 2 * Math.floor(count / 2) }])
        await observer.rows('TRUNCATE things')
      }
    }
  }
})

t.test('a source that hangs is told that it is not read any further', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows(SETUP)
  const db = await openDatabase(t, observer, { transform: { undefined: null } })
  const aborting = new AbortController()
  let told = 0
  const source = {
    [Symbol.asyncIterator]: () => ({
      next: async () => { aborting.abort(); return await new Promise<never>(() => {}) },
      return: async () => { told++; return { done: true as const, value: undefined } },
    })
  }
  await t.rejects(db.executeMany({ text: VALUES, signal: aborting.signal }, source), { code: 'FST_PG_ABORTED' })
  await setImmediate()
  t.equal(told, 1)
})

t.test('it need not be null', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer, { transform: { undefined: 'nothing' } })
  t.strictSame(await db.fetchOne('SELECT $1::text AS one, $2::text[] AS list', undefined, [undefined, null]), { one: 'nothing', list: ['nothing', null] })
  await t.rejects(db.fetchVal('SELECT $1::bytea', undefined), { code: 'FST_PG_VALUE' })
  await t.rejects(db.createSql({ transform: {} })`SELECT ${undefined}::text`, { code: 'FST_PG_VALUE' }, 'a tag may leave it out')
})

t.test('what is wrong with a list is said as without the option', async (t) => {
  unwatchCalls() // it would read the values too
  const observer = await freshDatabase(t)
  await observer.rows(SETUP)
  const throwing = Object.defineProperty([2, 'x', null, null], '1', { get: () => { throw new Error('boom') } })
  const circular: unknown[] = []
  circular.push(circular)
  const revoked = Proxy.revocable<unknown[]>([], {})
  revoked.revoke()
  const failures = async (options: object): Promise<unknown[]> => {
    const db = await openDatabase(t, observer, options)
    const codes: unknown[] = []
    const note = (promise: Promise<unknown>): Promise<unknown> => promise.then(() => codes.push('none'), (error: { code: string, message: string }) => codes.push(`${error.code} ${error.message}`))
    for (const batch of ['auto', 'pipeline'] as const) {
      for (const list of [throwing, [2, 'x', circular, null], [2], 'text', revoked.proxy]) {
        for (const count of [0, 60]) await note(db.executeMany({ text: VALUES, batch }, [...Array.from({ length: count }, () => [1, 'a', null, null]), list as unknown[]]))
      }
    }
    await note(db.execute(VALUES, 1, 'a', circular, null))
    await note(db.execute(VALUES, 1, 'a', null, circular))
    return codes
  }
  t.strictSame(await failures({ transform: { undefined: null } }), await failures({}))
})
