import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { createUsersRepository, type UsersRepository } from './users-db.js'

declare module 'fastify' {
  interface FastifyInstance {
    users: UsersRepository
  }
}

export default fp(async (app: FastifyInstance) => {
  app.decorate('users', createUsersRepository(app.db))
}, { name: 'users', dependencies: ['fastify-postgres-js'] })
