import type { FastifyInstance } from 'fastify'
import { expect, test } from 'tstyche'
import * as main from '../../../plugins/plugin.js'
import postgresJs, { fastifyPostgresJs, type Database, type FastifyDatabase, type FastifyPostgresJsOptions } from '../../../plugins/plugin.js'

/** What the app itself calls `db`, as with an ORM. */
interface Orm { select: () => string[] }

declare module 'fastify' {
  interface FastifyInstance {
    db: Orm
    pg: FastifyDatabase
  }
  interface FastifyPostgresDatabases { archive: true }
}

test('fastify.db is left to the app, and the database has the name that the app declares', () => {
  expect<FastifyInstance['db']>().type.toBe<Orm>()
  expect<FastifyInstance['pg']>().type.toBeAssignableTo<Database>()
  expect<FastifyInstance['pg']['archive']>().type.toBe<Database>()
})

test('it is the same plugin, with the same exports', () => {
  const app = {} as FastifyInstance
  expect(postgresJs).type.toBe(fastifyPostgresJs)
  expect(app.register).type.toBeCallableWith(postgresJs, { name: 'pg' })
  expect<FastifyPostgresJsOptions>().type.toHaveProperty('name')
  expect(main).type.toHaveProperty('ServerError')
  expect(main).type.toHaveProperty('errors')
})
