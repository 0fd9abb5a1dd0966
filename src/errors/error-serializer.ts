import { stdSerializers } from 'pino'
import { shownParameters, shownWhere } from './debug-details.js'
import { hasDetails } from './message-and-advice.js'
import { ServerError } from './server-error.js'
import { excerptOf } from './statement-excerpt.js'

/** What a logger writes of an error, as Fastify takes it. */
export interface SerializedError {
  type: string
  message: string
  stack: string
  [name: string]: unknown
}

/**
 * A serializer for pino and for Fastify's logger: pino's own, with the `advice` of our errors and of the server's as a field, and causes
 * likewise. With the option `debug` it adds `serverMessage`, `detail`, `hint`, `where` and the `statement` with the position marked, and
 * with `debug: { parameters: true }` the `parameters`; without it, nothing that holds data or SQL. It never throws.
 *
 * @example
 * const app = Fastify({ logger: { serializers: { err: errorSerializer } } })
 */
export function errorSerializer (error: unknown): SerializedError {
  try {
    if (!(error instanceof Error)) return { type: typeof error, message: String(error), stack: '' }
    const line = stdSerializers.errWithCause(error)
    addOurs(line, error)
    return line
  } catch {
    return { type: 'Error', message: 'what was thrown cannot be read', stack: '' }
  }
}

/** To what pino made of an error, and of its causes. */
function addOurs (line: unknown, error: unknown): void {
  for (; typeof line === 'object' && line !== null && error instanceof Error; line = Reflect.get(line, 'cause'), error = error.cause) {
    Object.assign(line, fieldsOf(error))
  }
}

function fieldsOf (error: Error): object {
  const isServers = error instanceof ServerError
  if (!isServers && !isCoded(error)) return {}
  const advice: unknown = Reflect.get(error, 'advice')
  const fields = typeof advice === 'string' ? { advice } : {}
  if (!hasDetails(error)) return fields
  const query: unknown = Reflect.get(error, 'query')
  const parameters: unknown = Reflect.get(error, 'parameters')
  return {
    ...fields,
    ...(isServers && { serverMessage: error.serverMessage, detail: error.detail, hint: error.hint }),
    ...(isServers && { where: shownWhere(error.where, parameters !== undefined) }),
    ...(typeof query === 'string' && { statement: excerptOf(query, isServers ? error.position : undefined).join('\n') }),
    ...(Array.isArray(parameters) && parameters.length > 0 && { parameters: shownParameters(parameters) }),
  }
}

function isCoded (error: Error): boolean { return 'code' in error && String(error.code).startsWith('FST_PG_') }
