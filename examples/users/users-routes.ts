import type { FastifyInstance } from 'fastify'
import { idParams, pageQuery, problems, type IdParams, type Page } from '../schemas.js'
import type { NewUser } from './users-db.js'
import { newUser, newUsers, user, userChanges, users } from './users-schemas.js'

const noContent = { type: 'null', description: 'deleted, with the accounts' } as const

const schemas = {
  list: { summary: 'Users by id', querystring: pageQuery, response: { 200: users, ...problems() } },
  find: { summary: 'One user', params: idParams, response: { 200: user, ...problems(404) } },
  create: { summary: 'A new user', body: newUser, response: { 201: user, ...problems(409) } },
  createMany: { summary: 'New users: all of them or none', body: newUsers, response: { 201: users, ...problems(409) } },
  update: { summary: 'Changes what is given', params: idParams, body: userChanges, response: { 200: user, ...problems(404, 409) } },
  remove: { summary: 'Deletes a user and the accounts', params: idParams, response: { 204: noContent, ...problems(404) } },
}

export async function userRoutes (app: FastifyInstance): Promise<void> {
  app.get<{ Querystring: Page }>('/', { schema: schemas.list }, ({ query }) => app.users.list(query.limit, query.offset))

  app.get<{ Params: IdParams }>('/:id', { schema: schemas.find }, ({ params }) => app.users.find(params.id))

  app.post<{ Body: NewUser }>('/', { schema: schemas.create }, async ({ body }, reply) => {
    const created = await app.users.create(body)
    reply.code(201).header('location', `/users/${created.id}`)
    return created
  })

  app.post<{ Body: NewUser[] }>('/batch', { schema: schemas.createMany }, async ({ body }, reply) => {
    const created = await app.users.createMany(body)
    reply.code(201)
    return created
  })

  app.patch<{ Params: IdParams, Body: Partial<NewUser> }>('/:id', { schema: schemas.update }, ({ params, body }) => app.users.update(params.id, body))

  app.delete<{ Params: IdParams }>('/:id', { schema: schemas.remove }, async ({ params }, reply) => {
    await app.users.remove(params.id)
    reply.code(204)
  })
}
