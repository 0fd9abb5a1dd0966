import type { FastifyInstance } from 'fastify'
import { id, idParams, pageQuery, problems, type IdParams, type Page } from '../schemas.js'
import type { Transfer } from './accounts-db.js'

const account = {
  type: 'object',
  required: ['id', 'user_id', 'balance'],
  properties: { id: { type: 'integer' }, user_id: { type: 'integer' }, balance: { type: 'string' } },
} as const

const accounts = { type: 'array', items: account } as const

/**
 * More than nothing, two decimals at most. A number is taken too: Fastify turns it into the string that it prints as,
 * so 12.5 passes and 0.1 + 0.2 does not.
 */
const amount = { type: 'string', pattern: '^(?=.*[1-9])\\d{1,10}(\\.\\d{1,2})?$' } as const

const transfer = {
  type: 'object',
  required: ['from', 'to', 'amount'],
  additionalProperties: false,
  properties: { from: id, to: id, amount },
} as const
const transferred = { type: 'object', required: ['from', 'to'], properties: { from: account, to: account } } as const

const schemas = {
  list: { summary: 'Accounts by id', querystring: pageQuery, response: { 200: accounts, ...problems() } },
  find: { summary: 'One account', params: idParams, response: { 200: account, ...problems(404) } },
  transfer: { summary: 'Moves money from one account to another', body: transfer, response: { 200: transferred, ...problems(404, 422) } },
}

export async function accountRoutes (app: FastifyInstance): Promise<void> {
  app.get<{ Querystring: Page }>('/', { schema: schemas.list }, ({ query }) => app.accounts.list(query.limit, query.offset))

  app.get<{ Params: IdParams }>('/:id', { schema: schemas.find }, ({ params }) => app.accounts.find(params.id))

  app.post<{ Body: Transfer }>('/transfer', { schema: schemas.transfer }, ({ body }) => app.accounts.transfer(body))
}
