import type { FastifyDatabase, FastifyRequestDatabase } from './plugin.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** The database that fastify-postgres-js was registered with. An app with a `db` of its own imports `fastify-postgres-js/plugin`. */
    db: FastifyDatabase
  }
  interface FastifyRequest {
    /** The same for one request: its transaction, its settings, and no longer than its client waits. */
    db: FastifyRequestDatabase
  }
}

export * from './plugin.js'
export { default } from './plugin.js'
