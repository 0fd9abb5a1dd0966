import type postgres from 'postgres'
import { describe, expect, test } from 'tstyche'
import type {
  AnySql, Database, OwnSql, OwnSqlQuery, Queryable, ReservedSql, Row, Sql, SqlColumn, SqlPart, SqlQuery, SqlResult, SqlStatement, TransactionSql
} from '../../../src/index.js'

interface User { id: number }

describe('what is of the type that postgres.js declares', () => {
  test('parts of a tag', () => {
    expect<Sql['end']>().type.toBeAssignableTo<postgres.Sql['end']>()
    expect<Sql['listen']>().type.toBeAssignableTo<postgres.Sql['listen']>()
    expect<Sql['subscribe']>().type.toBeAssignableTo<postgres.Sql['subscribe']>()
    expect<Sql['largeObject']>().type.toBeAssignableTo<postgres.Sql['largeObject']>()
    expect<Sql['CLOSE']>().type.toBeAssignableTo<postgres.Sql['CLOSE']>()
    expect<TransactionSql['prepare']>().type.toBeAssignableTo<postgres.TransactionSql['prepare']>()
    expect<ReservedSql['release']>().type.toBeAssignableTo<postgres.ReservedSql['release']>()
  })

  test('parts of a query and its result', () => {
    expect<Row>().type.toBeAssignableTo<postgres.Row>()
    expect<SqlResult<User[]>>().type.toBeAssignableTo<User[]>()
    expect<SqlStatement>().type.toBeAssignableTo<postgres.Statement>()
    expect<SqlColumn>().type.toBeAssignableTo<postgres.Column<string>>()
    expect<SqlQuery<User[]>['describe']>().type.toBeAssignableTo<postgres.PendingQuery<User[]>['describe']>()
    expect<SqlQuery<User[]>['readable']>().type.toBeAssignableTo<postgres.PendingQuery<User[]>['readable']>()
    expect<SqlQuery<User[]>['cursor']>().type.toBeAssignableTo<postgres.PendingQuery<User[]>['cursor']>()
    expect<SqlQuery<User[]>['cancel']>().type.toBeAssignableTo<postgres.PendingQuery<User[]>['cancel']>()
  })
})

describe('what cannot be', () => {
  test('helpers and parameters have a private property there', () => {
    expect<SqlPart>().type.not.toBeAssignableTo<postgres.Helper<string>>()
    expect<SqlPart>().type.not.toBeAssignableTo<postgres.Parameter>()
    expect<Sql>().type.not.toBeAssignableTo<postgres.ISql>()
  })

  test('a result says null where the server does not count, and nothing of the key of its connection', () => {
    expect<SqlResult<User[]>['count']>().type.toBe<number | null>()
    expect<SqlResult<User[]>>().type.not.toHaveProperty('state')
    expect<SqlResult<User[]>>().type.not.toBeAssignableTo<postgres.RowList<User[]>>()
  })

  test('one cast gives the tag to what asks for a client', () => {
    const sql = {} as Sql
    expect(sql as unknown as postgres.Sql).type.toBe<postgres.Sql>()
  })
})

describe('a tag of its own', () => {
  test('is a client of postgres.js for those who ask for one', () => {
    expect<OwnSql>().type.toBeAssignableTo<postgres.Sql>()
    expect<ReturnType<Database['createSql']>>().type.toBeAssignableTo<postgres.Sql>()
    expect<ReturnType<Queryable['createSql']>>().type.toBe<AnySql>()
    expect<OwnSql>().type.toBeAssignableTo<AnySql>()
  })

  test('has what is ours besides, and its types by their names', () => {
    expect<OwnSqlQuery<User[]>['timeout']>().type.toBeCallableWith(1)
    expect<OwnSql<{ point: unknown }>['types']>().type.toHaveProperty('point')
    expect<OwnSql['jsonText']>().type.toBeCallableWith('{}')
  })
})
