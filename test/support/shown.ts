import { Writable } from 'node:stream'
import { inspect } from 'node:util'
import Fastify from 'fastify'
import { pino, stdSerializers } from 'pino'

/** Everything that shows an error to somebody, by the name of the place. */
export async function shown (error: unknown): Promise<Record<string, string>> {
  let lines = ''
  const stream = new Writable({
    write (chunk, _encoding, done) {
      lines += String(chunk)
      done()
    }
  })
  const log = pino({ level: 'trace' }, stream)
  for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const) {
    log[level](error)
    log[level]({ err: error }, 'it failed')
  }
  pino({ serializers: { err: stdSerializers.errWithCause } }, stream).error(error)
  const app = Fastify({ logger: { level: 'trace', stream } })
  app.get('/', () => { throw error })
  const { body, headers } = await app.inject('/')
  await app.close()
  return {
    lines,
    body,
    headers: JSON.stringify(headers),
    string: String(error),
    stack: error instanceof Error ? String(error.stack) : '',
    JSON: JSON.stringify(error),
    inspect: inspect(error, { depth: 10 }),
    format: `${error}`,
  }
}

export async function leaks (error: unknown, secret: string): Promise<string[]> {
  return Object.entries(await shown(error)).filter(([, text]) => text.includes(secret)).map(([place]) => place)
}
