import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { createAccountsRepository, type AccountsRepository } from './accounts-db.js'

declare module 'fastify' {
  interface FastifyInstance {
    accounts: AccountsRepository
  }
}

export default fp(async (app: FastifyInstance) => {
  app.decorate('accounts', createAccountsRepository(app.db))
}, { name: 'accounts', dependencies: ['fastify-postgres-js'] })
