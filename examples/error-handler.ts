import createError from '@fastify/error'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { ServerError } from '../plugins/db.js'

const BadValueError = createError('DEMO_BAD_VALUE', 'a value cannot be stored: it is out of range, or holds a character that Postgres does not take', 400)

/**
 * Passes errors on to Fastify, with one exception: SQLSTATE class 22 (data exception) means that a value passed the
 * JSON schema and the database refused it, such as a zero byte in a text. That is the client's mistake.
 */
export function handleError (error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  const refused = error instanceof ServerError && error.code.startsWith('22')
  if (refused) request.log.info({ err: error }, 'the database refused a value')
  reply.send(refused ? new BadValueError() : error)
}
