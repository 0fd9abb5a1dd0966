import { once } from 'node:events'
import dotenv from 'dotenv'
import type { FastifyInstance, FastifyListenOptions } from 'fastify'
import { buildApp } from './app.js'
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../tools/embedded-postgres/embedded-postgres.js'
import { explain } from './explain.js'
import { readSettings } from './settings.js'
import { welcome } from './welcome.js'

/** Runs the demo until `stop` aborts, and leaves nothing behind. A start that fails is one line and exit code 1. */
export async function serve (stop: AbortSignal): Promise<void> {
  let postgres: EmbeddedPostgres | undefined
  let app: FastifyInstance | undefined
  try {
    stop.throwIfAborted()
    dotenv.config({ quiet: true })
    const { port, host, logLevel, max, embedded } = readSettings(process.env)
    console.log(embedded ? 'Starting a throw-away PostgreSQL …' : 'Connecting to the database …')
    if (embedded) postgres = await startEmbeddedPostgres()
    stop.throwIfAborted()

    // Until it listens, the one line below says what is wrong.
    app = buildApp({ database: { url: postgres?.url, max, ...(postgres !== undefined && { ssl: false }) }, logger: { level: 'fatal' } })
    const address = await listen(app, { port, host }, stop)
    app.log.level = logLevel
    console.log(welcome(address))
    if (!stop.aborted) await once(stop, 'abort')
  } catch (error) {
    if (stop.aborted) return
    console.error(`The demo cannot start: ${explain(error)}`)
    process.exitCode = 1
  } finally {
    try {
      await app?.close()
    } finally {
      await postgres?.close()
    }
  }
}

/** Fastify closes only what has started, so a start that waits for the database is ended from below. */
async function listen (app: FastifyInstance, where: FastifyListenOptions, stop: AbortSignal): Promise<string> {
  const giveUp = (): void => { if (app.hasDecorator('db')) app.db.close() }
  stop.addEventListener('abort', giveUp)
  try {
    return await app.listen(where)
  } finally {
    stop.removeEventListener('abort', giveUp)
  }
}
