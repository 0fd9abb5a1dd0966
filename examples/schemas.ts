/** JSON schemas that several routes share. */

/** Postgres' integer ends here: a larger number is a bad request and not an error of the server. */
const MAX_INTEGER = 2 ** 31 - 1

export const id = { type: 'integer', minimum: 1, maximum: MAX_INTEGER } as const

export const idParams = { type: 'object', required: ['id'], properties: { id } } as const
export interface IdParams { id: number }

export const pageQuery = {
  type: 'object',
  properties: {
    limit: { type: 'integer', minimum: 1, maximum: 100, default: 20 },
    offset: { type: 'integer', minimum: 0, maximum: MAX_INTEGER, default: 0 },
  },
} as const
export interface Page { limit: number, offset: number }

const problem = {
  type: 'object',
  properties: {
    statusCode: { type: 'integer' },
    code: { type: 'string' },
    error: { type: 'string' },
    message: { type: 'string' },
  },
} as const

/** Response schemas of the given errors, and of those that any route may meet. */
export function problems (...statusCodes: number[]): Record<string, typeof problem> {
  return Object.fromEntries([400, ...statusCodes, '5xx'].map((status) => [status, problem]))
}
