import t, { type Test } from 'tap'
import type { Database, Queryable } from '../../src/index.js'
import { freshDatabase, openDatabase, type Observer } from '../support/database.js'
import { unwatchCalls } from '../support/disclosure.js'

unwatchCalls() // 65,534 arguments fill the stack

/** Statements with arguments that are not as many as their parameters, and with arguments that are. */
const WRONG: ReadonlyArray<readonly [name: string, text: string, bad: unknown[], good: unknown[]]> = [
  ['one of two', 'INSERT INTO held VALUES ($1, $2)', [1], [1, 2]],
  ['NULL of two', 'INSERT INTO held VALUES ($1, $2)', [null], [1, 2]],
  ['none of two', 'INSERT INTO held VALUES ($1, $2)', [], [1, 2]],
  ['none of one', 'INSERT INTO held VALUES ($1, 2)', [], [1]],
  ['three for two', 'INSERT INTO held VALUES ($1, $2)', [1, 2, 3], [1, 2]],
  ['NULL as a third', 'INSERT INTO held VALUES ($1, $2)', [1, 2, null], [1, 2]],
  ['one for none', 'INSERT INTO held VALUES (1, 2)', [1], []],
  ['two for one that is used twice', 'INSERT INTO held VALUES ($1, $1::int + 1)', [1, 2], [1]],
  ['ten for nine and a dollar in a string', "INSERT INTO held SELECT 1, 2 WHERE '$10' <> $1", ['a', 2, 3, 4, 5, 6, 7, 8, 9, 10], ['a']],
]
const COUNT = { code: 'FST_PG_PARAMETER_COUNT' }

for (const [name, text, bad, good] of WRONG) {
  t.test(`${name}: a wrong number of arguments is one coded error, and the connection goes on`, async (t) => {
    const { db, observer, finish } = await open(t)
    for (const helper of ['execute', 'fetchOne', 'fetchVal', 'fetchAll'] as const) {
      const statement = `${text} /* ${helper} */`
      const call = (args: unknown[], prepare?: boolean): Promise<unknown> =>
        (db[helper] as (query: object, ...args: unknown[]) => Promise<unknown>).call(db, { text: statement, prepare }, ...args)
      for (const use of ['first', 'second', 'third']) await t.rejects(call(bad), COUNT, `${helper}, ${use} use`)
      for (let use = 0; use < 3; use++) await call(good)
      for (const use of ['first', 'second']) await t.rejects(call(bad), COUNT, `${helper}, ${use} use after good ones`)
      await t.rejects(call(bad, false), COUNT, `${helper}, unprepared`)
    }
    t.strictSame(await observer.rows('SELECT count(*)::int FROM held'), [{ count: 12 }])
    await finish()
  })

  t.test(`${name}: a wrong number of arguments leaves a transaction as it is`, async (t) => {
    const { db, observer, finish } = await open(t)
    for (const use of ['first', 'second', 'third']) {
      const inside = async (tx: Queryable): Promise<void> => {
        await t.rejects(tx.fetchOne(text, ...bad), COUNT, `${use} use`)
        await tx.fetchOne(text, ...good)
      }
      await db.transaction(inside).catch((error) => t.error(error, `${use} use: the transaction goes on`))
    }
    t.strictSame(await observer.rows('SELECT count(*)::int FROM held'), [{ count: 3 }])
    await finish()
  })

  t.test(`${name}: a wrong number of arguments in executeMany names the row and stores nothing`, async (t) => {
    const { db, observer, finish } = await open(t)
    for (const lists of [[bad, good], [good, bad, good], [good, good, bad]]) {
      await t.rejects(db.executeMany(text, lists), { ...COUNT, message: new RegExp(`row ${lists.indexOf(bad)}\\b`) }, `row ${lists.indexOf(bad)}`)
    }
    t.strictSame(await observer.rows('SELECT count(*)::int FROM held'), [{ count: 0 }])
    await finish()
  })
}

t.test('more arguments than the protocol can count are one coded error, and as many as the driver can are sent', async (t) => {
  const { db, finish } = await open(t)
  const many = (length: number): [string, ...number[]] =>
    [`SELECT sum(n)::int8 FROM unnest(ARRAY[${Array.from({ length }, (_, index) => `$${index + 1}`).join(',')}]::int[]) AS n`, ...Array.from({ length }, () => 1)]
  for (const use of ['first', 'second', 'third']) {
    for (const length of [65_534, 65_535, 65_536, 70_000]) await t.rejects(db.fetchVal(...many(length)), COUNT, `${length}, ${use} use`)
    t.equal(await db.fetchVal(...many(65_533)), 65_533, `${use} use`)
  }
  await t.rejects(db.executeMany(many(65_534)[0], [many(65_534).slice(1)]), COUNT)
  await db.transaction(async (tx) => {
    await t.rejects(tx.fetchVal(...many(65_534)), COUNT)
    t.equal(await tx.fetchVal('SELECT 1'), 1)
  })
  await finish()
})

/** Texts with more placeholders than the protocol can count, and what their statement is called. */
const TOO_MANY: Readonly<Record<string, string>> = {
  'an INSERT': `INSERT INTO held SELECT 1, 2 WHERE 1 IN (${placeholders(150_000)})`,
  'an INSERT that could go over arrays': `INSERT INTO held VALUES (${placeholders(150_000)})`,
  'one far out alone': 'SELECT $65536::int',
  'a text in which only the server can count': `SELECT E'\\\\' WHERE 1 IN (${placeholders(65_600)})`,
  'one more of those': `SELECT E'\\\\' WHERE 1 IN (${placeholders(65_539)})`,
  'no statement of the planner': `EXPLAIN SELECT 1 WHERE 1 IN (${placeholders(65_536)})`,
}

function placeholders (length: number): string { return Array.from({ length }, (_, index) => `$${index + 1}`).join(',') }

t.test('a statement with more placeholders than the protocol can count is one coded error, wherever it is run', async (t) => {
  const { db, finish } = await open(t)
  for (const [what, text] of Object.entries(TOO_MANY)) {
    for (const use of ['first', 'second']) await t.rejects(db.fetchAll(text, 1, 2, 3), COUNT, `${what}: ${use} use`)
    await t.rejects(db.execute({ text, prepare: true }, 1), COUNT, `${what}: prepared`)
    for (const batch of ['auto', 'pipeline'] as const) {
      await t.rejects(db.executeMany({ text, batch }, Array.from({ length: 60 }, () => [1])), { ...COUNT, message: /^row 0, / }, `${what}: ${batch}`)
    }
    await t.rejects(db.fetchAll(text), COUNT, `${what}: without arguments`)
    const list = Array.from({ length: 150_000 }, () => 1)
    await t.rejects(db.executeMany(text, [list, list]), { ...COUNT, advice: /given 150000/ }, `${what}: as many arguments`)
    await db.transaction((tx) => t.rejects(tx.executeMany(text, [list]), COUNT)).catch((error) => t.match(error, { code: 'FST_PG_TRANSACTION_ABORTED' }))
  }
  await finish()
})

async function open (t: Test): Promise<{ db: Database, observer: Observer, finish: () => Promise<void> }> {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE held (n int, v int)')
  const db = await openDatabase(t, observer, { max: 1, commandTimeout: 10 })
  const pid = await db.fetchVal('SELECT pg_backend_pid()')
  return {
    db,
    observer,
    async finish () {
      t.equal(await db.fetchVal('SELECT pg_backend_pid()'), pid, 'the same connection')
      t.equal(db.stats().created, 1)
    },
  }
}
