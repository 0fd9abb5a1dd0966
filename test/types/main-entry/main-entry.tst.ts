import type { FastifyInstance, FastifyRequest } from 'fastify'
import { describe, expect, test } from 'tstyche'
import postgresJs, {
  errors, type Database, type FastifyDatabase, type FastifyRequestDatabase, type Notice, type Queryable, type RequestDatabase, type Row, type SqlPart,
  type SqlResult, type Transaction, type TransactionOptions
} from '../../../plugins/db.js'

declare module 'fastify' {
  interface FastifyPostgresDatabases { archive: true, replica: true }
}

test('the main entry declares fastify.db', () => {
  expect<FastifyInstance['db']>().type.toBe<FastifyDatabase>()
  expect<FastifyInstance['db']>().type.toBeAssignableTo<Database>()
})

describe('request.db', () => {
  const { db } = {} as FastifyRequest
  const app = {} as FastifyInstance

  test('it has the helpers, for rows of a type', () => {
    expect<FastifyRequest['db']>().type.toBe<FastifyRequestDatabase>()
    expect(db).type.toBeAssignableTo<Queryable>()
    expect(db.fetchOne<{ id: number }>('')).type.toBe<Promise<{ id: number } | null>>()
    expect(db.transaction(async (tx) => await tx.fetchVal<number>(''))).type.toBe<Promise<number | null>>()
    expect(db.detached).type.toBe<RequestDatabase>()
    expect(db.archive).type.toBe<RequestDatabase>()
    expect(db.afterCommit).type.toBeCallableWith(() => {})
  })

  test('what belongs to the pool is not on it', () => {
    expect(db).type.not.toHaveProperty('acquire')
    expect(db).type.not.toHaveProperty('close')
    expect(db).type.not.toHaveProperty('other')
  })

  test('a route says what it asks for', () => {
    const handler = (): void => {}
    expect(app.get).type.toBeCallableWith('/', { config: { db: { transaction: true, archive: { transaction: { readOnly: true } } } } }, handler)
    expect(app.get).type.toBeCallableWith('/', { config: { db: { commitOn: (status: number) => status < 500, settings: false } } }, handler)
    expect(app.get).type.not.toBeCallableWith('/', { config: { db: { transaction: 'yes' } } }, handler)
    expect(app.get).type.not.toBeCallableWith('/', { config: { db: { commitOn: 404 } } }, handler)
    expect(app.register).type.toBeCallableWith(postgresJs, { settings: (request: FastifyRequest) => ({ 'app.tenant': request.ip }) })
    expect(app.register).type.not.toBeCallableWith(postgresJs, { settings: () => ({ 'app.tenant': 7 }) })
  })
})

describe('further databases', () => {
  const { db } = {} as FastifyInstance

  test('those that are declared are databases', () => {
    expect(db.archive).type.toBe<Database>()
    expect(db.databases.replica).type.toBe<Database>()
    expect(Object.values(db.databases)).type.toBe<Database[]>()
  })

  test('others are not known, and further ones have none', () => {
    expect(db).type.not.toHaveProperty('other')
    expect(db.databases['other']).type.toBe<Database | undefined>()
    expect(db.archive).type.not.toHaveProperty('replica')
  })

  test('they take the options of a pool', () => {
    const app = {} as FastifyInstance
    expect(app.register).type.toBeCallableWith(postgresJs, { databases: { archive: { url: '', min: 1, health: { cache: 0 }, onConnect: () => {} }, any: {} } })
    expect(app.register).type.not.toBeCallableWith(postgresJs, { databases: { archive: { min: '1' } } })
    expect(app.register).type.not.toBeCallableWith(postgresJs, { databases: { archive: { name: 'other' } } })
  })
})

test('hooks are given the helpers and what for', () => {
  const app = {} as FastifyInstance
  app.register(postgresJs, {
    onAcquire: async (connection, { holder }) => {
      expect(connection).type.toBe<Queryable>()
      expect(holder).type.toBe<'lease' | 'transaction'>()
    },
    onRelease: () => {},
    onNotice: (notice) => { expect(notice).type.toBe<Notice>() },
    onParameter: async (name, value) => { expect([name, value] as const).type.toBe<readonly [string, string]>() },
  })
})

test('it is registered with options, all of them optional', () => {
  const app = {} as FastifyInstance
  expect(app.register).type.toBeCallableWith(postgresJs)
  expect(app.register).type.toBeCallableWith(postgresJs, { name: 'archive', min: 1, health: false as const })
  expect(app.register).type.not.toBeCallableWith(postgresJs, { min: '1' })
})

describe('errors', () => {
  test('each has its code and its status as literal types', () => {
    expect<InstanceType<typeof errors.OptionError>['code']>().type.toBe<'FST_PG_OPTION'>()
    expect<InstanceType<typeof errors.QueueFullError>['code']>().type.toBe<'FST_PG_QUEUE_FULL'>()
    expect<InstanceType<typeof errors.AbortedError>['statusCode']>().type.toBe<499>()
  })

  test('instanceof narrows to them', () => {
    const error: unknown = undefined
    if (error instanceof errors.QueryTimeoutError) {
      expect(error.code).type.toBe<'FST_PG_QUERY_TIMEOUT'>()
      expect(error.statusCode).type.toBe<504>()
      expect(error.message).type.toBe<string>()
    }
  })

  test('a code tells them apart', () => {
    const error = {} as InstanceType<typeof errors.ClosedError> | InstanceType<typeof errors.ReleasedError>
    if (error.code === 'FST_PG_CLOSED') expect(error.statusCode).type.toBe<503>()
  })
})

describe('transactions', () => {
  const db = {} as Database

  test('the function gets the number of the attempt', () => {
    db.transaction((tx, attempt) => {
      expect(tx).type.toBe<Transaction>()
      expect(attempt).type.toBe<number>()
    })
    expect(db.transaction(async () => 7)).type.toBe<Promise<number>>()
  })

  test('settings are strings by names, retries a number', () => {
    expect<{ settings: { 'app.tenant': string }, retries: number }>().type.toBeAssignableTo<TransactionOptions>()
    expect<{ settings: undefined, retries: undefined }>().type.toBeAssignableTo<TransactionOptions>()
    expect<{ settings: { 'app.tenant': number } }>().type.not.toBeAssignableTo<TransactionOptions>()
    expect<{ settings: Array<[string, string]> }>().type.not.toBeAssignableTo<TransactionOptions>()
    expect<{ retries: string }>().type.not.toBeAssignableTo<TransactionOptions>()
  })

  test('hooks take functions', () => {
    const tx = {} as Transaction
    expect(tx.afterCommit).type.toBeCallableWith(async () => {})
    expect(tx.afterCommit).type.not.toBeCallableWith((_: string) => {})
    expect(tx.afterRollback).type.toBeCallableWith((error: unknown) => error)
    expect(tx.afterRollback).type.not.toBeCallableWith('x')
    expect(tx.afterCommit(() => {})).type.toBe<void>()
  })
})

describe('templates', () => {
  interface User { id: number, name: string }
  const db = {} as Database
  const { sql } = db

  test('a query gives rows, with what the server said', async () => {
    const rows = await sql<User[]>`SELECT ${1}`
    expect(rows[0]).type.toBe<User | undefined>()
    expect(rows.count).type.toBe<number | null>()
    expect(rows.map(({ name }) => name)).type.toBe<string[]>()
    expect((await sql`SELECT 1`)[0]).type.toBe<Row | undefined>()
    expect((await sql<[User]>`SELECT 1`)[0]).type.toBe<User>()
    expect((await sql<User[]>`SELECT 1`.timeout(1).signal(AbortSignal.timeout(1)))[0]).type.toBe<User | undefined>()
    expect((await sql`SELECT 1`.values())[0]).type.toBe<unknown[] | undefined>()
    expect((await sql`SELECT 1`.raw())[0]).type.toBe<Array<Uint8Array | null> | undefined>()
    expect((await sql`SELECT 1`.describe()).types).type.toBe<number[]>()
    expect((await sql.unsafe<User[]>('SELECT 1', [1]))[0]).type.toBe<User | undefined>()
  })

  test('helpers take templates, and batches do not', () => {
    expect(db.fetchOne<User>`SELECT ${1}`).type.toBe<Promise<User | null>>()
    expect(db.fetchExactlyOne<User>`SELECT ${1}`).type.toBe<Promise<User>>()
    expect(db.fetchAll<User>`SELECT ${1}`).type.toBe<Promise<User[]>>()
    expect(db.fetchVal<number>`SELECT ${1}`).type.toBe<Promise<number | null>>()
    expect(db.fetchColumn<number>`SELECT ${1}`).type.toBe<Promise<number[]>>()
    expect(db.executeMany).type.not.toBeCallableWith({} as TemplateStringsArray, [])
  })

  test('what begin gives is what its function gives, and of an array what its elements give', () => {
    expect(sql.begin(async (sql) => (await sql<User[]>`SELECT 1`).length)).type.toBe<Promise<number>>()
    expect(sql.begin('read only', (sql) => [sql<User[]>`SELECT 1`, 7] as const)).type.toBe<Promise<[SqlResult<User[]>, 7]>>()
    expect(sql.begin({ retries: 3 }, (sql) => sql.savepoint(async () => 'x'))).type.toBe<Promise<string>>()
  })

  test('names and helpers are parts of templates, and no queries', () => {
    expect(sql('name')).type.toBe<SqlPart>()
    expect(sql([{ name: 'Ada' }], 'name')).type.toBe<SqlPart>()
    expect(sql(['a', 'b'])).type.toBe<SqlPart>()
    expect(sql.json({})).type.toBe<SqlPart>()
  })
})
