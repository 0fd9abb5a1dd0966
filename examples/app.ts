import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import postgresJs, { type DatabaseOptions } from '../plugins/db.js'
import accounts from './accounts/accounts-plugin.js'
import { accountRoutes } from './accounts/accounts-routes.js'
import drain from './drain.js'
import { handleError } from './error-handler.js'
import newline from './newline.js'
import routeList from './route-list.js'
import schema from './schema.js'
import users from './users/users-plugin.js'
import { userRoutes } from './users/users-routes.js'

export interface AppOptions {
  /** As for fastify-postgres-js; what is left out comes from the environment. */
  database?: DatabaseOptions
  logger?: NonNullable<FastifyServerOptions['logger']>
}

/** How the demo is put together. */
export function buildApp ({ database = {}, logger = false }: AppOptions = {}): FastifyInstance {
  // A misspelt field is an error and not dropped in silence; what comes while it closes is still served (drain.ts).
  const app = Fastify({ logger, return503OnClosing: false, ajv: { customOptions: { removeAdditional: false } } })
  app.setErrorHandler(handleError)
  app.register(drain)
  app.register(newline)
  app.register(routeList)

  app.register(postgresJs, database)
  app.register(schema)
  app.register(users)
  app.register(accounts)

  app.register(userRoutes, { prefix: '/users' })
  app.register(accountRoutes, { prefix: '/accounts' })
  return app
}
