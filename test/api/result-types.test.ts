import t from 'tap'
import type { Database, Lease, QueryResult, ResultColumn, Row, Transaction } from '../../src/index.js'
import { freshDatabase, openDatabase } from '../support/database.js'

interface User { id: number, name: string }

/** Passes the type check only where both types are the same. */
function is<Wanted> () {
  return <Given>(given: Promise<Given>, ..._same: Same<Given, Wanted> extends true ? [] : [never]): Promise<Given> => given
}
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false

const TEXT = 'SELECT 1 AS id, $1::text AS name'

/** Nothing here is about values: `tsc` judges it. */
async function typed (on: Database | Lease | Transaction): Promise<void> {
  await is<User>()(on.fetchExactlyOne<User>(TEXT, 'x'))
  await is<Row>()(on.fetchExactlyOne(TEXT, 'x'))
  await is<unknown[]>()(on.fetchExactlyOne({ text: TEXT, values: ['x'], rows: 'array' }))
  await is<[number, string]>()(on.fetchExactlyOne<[number, string]>({ text: TEXT, values: ['x'], rows: 'array' }))
  await is<string[]>()(on.fetchColumn<string>(TEXT, 'x'))
  await is<unknown[]>()(on.fetchColumn({ text: TEXT, values: ['x'], limit: 1 }))
  await is<QueryResult<User>>()(on.query<User>(TEXT, 'x'))
  await is<QueryResult<Row>>()(on.query({ text: TEXT, values: ['x'], limit: 3 }))
  await is<QueryResult<unknown[]>>()(on.query({ text: TEXT, values: ['x'], rows: 'array' }))
  await is<QueryResult<[number, string]>>()(on.query<[number, string]>({ text: TEXT, values: ['x'], rows: 'array' }))
  await is<User | null>()(on.fetchOne<User>({ text: TEXT, values: ['x'] as const, limit: 1 }))
  await is<unknown[] | null>()(on.fetchOne({ text: TEXT, values: ['x'], rows: 'array' }))
  await is<User[]>()(on.fetchAll<User>({ text: TEXT, values: ['x'] }))
  await is<[number, string][]>()(on.fetchAll<[number, string]>({ text: TEXT, values: ['x'], rows: 'array' }))
  await is<Row[]>()(on.fetchAll({ text: TEXT, values: ['x'], rows: 'object' }))
  const { count, command, columns } = await on.query(TEXT, 'x')
  const told: [number | null, string | null, ResultColumn[]] = [count, command, columns]
  const [column] = told[2]
  const described: [string, number, string | null] | undefined = column && [column.name, column.type, column.typeName]
  described?.fill('')
}

/** What must not pass: each line is an error of the type check. */
async function mistyped (on: Database | Lease | Transaction): Promise<void> {
  // @ts-expect-error values is an array
  await on.fetchAll({ text: TEXT, values: 'x' })
  // @ts-expect-error limit is a number
  await on.fetchAll({ text: TEXT, values: ['x'], limit: '1' })
  // @ts-expect-error rows is 'array' or 'object'
  await on.fetchAll({ text: TEXT, values: ['x'], rows: 'arrays' })
  // @ts-expect-error execute gives no rows
  await on.execute({ text: TEXT, values: ['x'], limit: 1 })
  // @ts-expect-error fetchVal gives a value
  await on.fetchVal({ text: TEXT, values: ['x'], rows: 'array' })
  // @ts-expect-error fetchColumn gives values
  await on.fetchColumn({ text: TEXT, values: ['x'], rows: 'array' })
  // @ts-expect-error a batch has lists
  await on.executeMany({ text: TEXT, values: ['x'] }, [['x']])
  // @ts-expect-error a batch gives all rows
  await on.executeManyWithReturning({ text: TEXT, limit: 1 }, [['x']])
  // @ts-expect-error rowMode is pg's
  await on.query({ text: TEXT, values: ['x'], rowMode: 'array' })
  // @ts-expect-error name is pg's
  await on.fetchOne({ name: 'named', text: TEXT, values: ['x'] })
}

t.test('what the types say of results is what comes', async (t) => {
  const db = await openDatabase(t, await freshDatabase(t))
  const lease = await db.acquire()
  await typed(db)
  await typed(lease)
  await lease.release()
  await db.transaction(typed)
  await t.rejects(mistyped(db), { code: 'FST_PG_OPTION' })
})
