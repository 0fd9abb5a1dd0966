import type { FastifyDatabase } from './plugin.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** The database that fastify-postgres-js was registered with. An app with a `db` of its own imports `fastify-postgres-js/plugin`. */
    db: FastifyDatabase
  }
}

export * from './plugin.js'
export { default } from './plugin.js'
