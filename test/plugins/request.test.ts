import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import postgresJs from '../../plugins/db.js'
import { freshDatabase, type Observer } from '../support/database.js'

t.test('request.db', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE items (id int PRIMARY KEY)')
  const app = await start(t, observer, (app) => {
    app.get('/one', (request) => request.db.fetchOne('SELECT 1 AS one'))
    app.post('/items/:id', { config: { db: { transaction: true } } }, async (request, reply) => {
      await request.db.execute('INSERT INTO items VALUES ($1)', (request.params as { id: string }).id)
      const status = Number((request.query as { status?: string }).status ?? 200)
      if ('throw' in (request.query as object)) throw new Error('thrown')
      return reply.code(status).send(await request.db.fetchOne('SELECT id, txid_current_if_assigned() IS NOT NULL AS written FROM items'))
    })
  })
  t.strictSame((await app.inject('/one')).json(), { one: 1 })
  const ok = await app.inject({ method: 'POST', url: '/items/1' })
  t.strictSame([ok.statusCode, ok.json()], [200, { id: 1, written: true }])
  t.equal((await app.inject({ method: 'POST', url: '/items/2?status=404' })).statusCode, 404)
  t.equal((await app.inject({ method: 'POST', url: '/items/3?throw' })).statusCode, 500)
  t.strictSame(await observer.rows('SELECT id FROM items'), [{ id: 1 }])
})

async function start (t: Test, observer: Observer, routes: (app: FastifyInstance) => void): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  app.register(postgresJs, { url: observer.url, min: 0, max: 4 })
  routes(app)
  await app.ready()
  return app
}
