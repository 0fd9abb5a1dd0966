import type { FastifyInstance } from 'fastify'

const SCHEMA = { type: 'object', properties: { status: { type: 'string' } } }
const VALUE = { status: 'alive' }

/**
 * Whether the validator and serializer compilers of all these contexts take JSON schemas, as Fastify's own do. Those of zod
 * and its like take nothing but their own schemas, and find that out as late as at the first value.
 */
export function takeJsonSchemas (contexts: readonly FastifyInstance[]): boolean {
  const validators = new Set(contexts.map(({ validatorCompiler }) => validatorCompiler))
  const serializers = new Set(contexts.map(({ serializerCompiler }) => serializerCompiler))
  try {
    for (const compile of serializers) compile?.({ schema: SCHEMA, method: 'GET', url: '/', httpStatus: '200' })(VALUE)
    for (const compile of validators) {
      const outcome: unknown = compile?.({ schema: SCHEMA, method: 'GET', url: '/', httpPart: 'querystring' })({ ...VALUE })
      if (outcome === false || hasError(outcome)) return false
    }
    return true
  } catch {
    return false
  }
}

function hasError (outcome: unknown): boolean {
  return typeof outcome === 'object' && outcome !== null && 'error' in outcome && outcome.error !== undefined && outcome.error !== null
}
