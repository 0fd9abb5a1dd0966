import swagger, { type FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import { TypeBoxValidatorCompiler, type TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { JsonSchemaToTsProvider } from '@fastify/type-provider-json-schema-to-ts'
import Fastify, { type FastifyInstance, type FastifyPluginAsync, type FastifyServerOptions } from 'fastify'
import { jsonSchemaTransform, jsonSchemaTransformObject, serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod'
import t, { type Test } from 'tap'
import { Type } from 'typebox'
import { z } from 'zod/v4'
import postgresJs, { type FastifyPostgresJsOptions } from '../../plugins/db.js'
import { freshDatabase } from '../support/database.js'

const observer = await freshDatabase(t)
const options: FastifyPostgresJsOptions = { url: observer.url, min: 1, max: 2 }

const ZOD: FastifyDynamicSwaggerOptions = { transform: jsonSchemaTransform, transformObject: jsonSchemaTransformObject }

const useZod = (app: FastifyInstance): void => {
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
}

const zodRoutes: FastifyPluginAsync = async (scope) => {
  scope.withTypeProvider<ZodTypeProvider>().get('/double/:n', {
    schema: { params: z.object({ n: z.coerce.number() }), response: { 200: z.object({ double: z.number() }) } },
  }, async (request) => ({ double: 2 * request.params.n }))
}

async function appOf (t: Test, openapi: FastifyDynamicSwaggerOptions, build: (app: FastifyInstance) => unknown, server: FastifyServerOptions = {}): Promise<FastifyInstance> {
  const app = Fastify(server)
  t.teardown(() => app.close())
  await app.register(swagger, { openapi: { info: { title: 'app', version: '1' } }, ...openapi })
  await build(app)
  await app.ready()
  return app
}

interface Responses { responses?: Record<string, { content?: Record<string, { schema?: { properties?: object } }> }> }

/** What the document says of a route's answer with this status; undefined where the route is not in it. */
function described (app: FastifyInstance, path: string, status = '200'): string[] | undefined {
  const get = app.swagger().paths?.[path]?.get as Responses | undefined
  if (get === undefined) return undefined
  return Object.keys(get.responses?.[status]?.content?.['application/json']?.schema?.properties ?? {})
}

async function answers (t: Test, app: FastifyInstance, path = '/api/health'): Promise<void> {
  const health = await app.inject(path)
  t.equal(health.statusCode, 200, health.body)
  t.match(health.headers, { 'content-type': /^application\/json/, 'cache-control': 'no-store' })
  t.match(health.json(), { status: 'healthy', database: { status: 'healthy', pool_size: 1, max_size: 2, latency_ms: Number } })
  const live = await app.inject(`${path}/live`)
  t.equal(live.statusCode, 200, live.body)
  t.same(live.json(), { status: 'alive' })
  for (const url of [path, `${path}/live`]) t.equal((await app.inject({ method: 'HEAD', url })).statusCode, 200, `HEAD ${url}`)
}

function isDescribed (t: Test, app: FastifyInstance, path = '/api/health'): void {
  t.strictSame(described(app, path), ['status', 'database'])
  t.strictSame(described(app, path, '503'), ['status', 'database'])
  t.strictSame(described(app, `${path}/live`), ['status'])
}

const ORDERS: Record<string, (app: FastifyInstance) => unknown> = {
  'zod before the plugin': async (app) => {
    useZod(app)
    await app.register(postgresJs, options)
    app.register(zodRoutes)
  },
  'zod after the plugin, which is loaded already': async (app) => {
    await app.register(postgresJs, options)
    useZod(app)
    app.register(zodRoutes)
  },
  'zod after the plugin, which is not loaded yet': (app) => {
    app.register(postgresJs, options)
    useZod(app)
    app.register(zodRoutes)
  },
  'zod in a plugin after it': (app) => {
    app.register(postgresJs, options)
    app.register(Object.assign(async (root: FastifyInstance) => { useZod(root) }, { [Symbol.for('skip-override')]: true }))
    app.register(zodRoutes)
  },
  'zod for validation alone': async (app) => {
    app.setValidatorCompiler(validatorCompiler)
    await app.register(postgresJs, options)
  },
  'zod for answers alone': async (app) => {
    app.setSerializerCompiler(serializerCompiler)
    await app.register(postgresJs, options)
  },
  'zod in a context with the plugin': (app) => {
    app.register(async (scope) => {
      useZod(scope)
      await scope.register(postgresJs, options)
      await scope.register(zodRoutes)
    })
  },
  'zod in a context beside the plugin': async (app) => {
    await app.register(postgresJs, options)
    app.register(async (scope) => {
      useZod(scope)
      await scope.register(zodRoutes)
    })
  },
}

for (const [order, build] of Object.entries(ORDERS)) {
  t.test(`${order}: the health routes answer and are in the document`, async (t) => {
    const app = await appOf(t, ZOD, build)
    await answers(t, app)
    isDescribed(t, app)
    const double = await app.inject('/double/21')
    if (double.statusCode !== 404) t.same(double.json(), { double: 42 }, 'the routes of the app go on as before')
  })
}

t.test('an outage is answered with 503 and the whole report under zod too', async (t) => {
  const app = await appOf(t, ZOD, (app) => {
    useZod(app)
    app.register(postgresJs, { ...options, url: 'postgres://localhost:1/nowhere', required: false, startupTimeout: 0.1 })
  })
  const response = await app.inject('/api/health')
  t.equal(response.statusCode, 503)
  t.match(response.json(), { status: 'unavailable', database: { status: 'unavailable', pool_size: 0, latency_ms: null } })
})

t.test('with TypeBox, whose schemas are JSON schemas', async (t) => {
  const app = await appOf(t, {}, async (app) => {
    app.setValidatorCompiler(TypeBoxValidatorCompiler)
    await app.register(postgresJs, options)
    app.withTypeProvider<TypeBoxTypeProvider>().get('/double/:n', { schema: { params: Type.Object({ n: Type.Number() }) } },
      async (request) => ({ double: 2 * request.params.n }))
  })
  await answers(t, app)
  isDescribed(t, app)
  t.same((await app.inject('/double/21')).json(), { double: 42 })
})

t.test('with json-schema-to-ts', async (t) => {
  const app = await appOf(t, {}, async (app) => {
    await app.register(postgresJs, options)
    const params = { type: 'object', properties: { n: { type: 'number' } }, required: ['n'] } as const
    app.withTypeProvider<JsonSchemaToTsProvider>().get('/double/:n', { schema: { params } }, async (request) => ({ double: 2 * request.params.n }))
  })
  await answers(t, app)
  isDescribed(t, app)
  t.same((await app.inject('/double/21')).json(), { double: 42 })
})

const refuse = (): never => { throw new Error('not a schema of mine') }

t.test('compilers that take no JSON schema at all', async (t) => {
  for (const build of [
    (app: FastifyInstance) => { app.setSerializerCompiler(refuse).setValidatorCompiler(refuse) },
    (app: FastifyInstance) => { app.setSerializerCompiler(() => refuse).setValidatorCompiler(() => refuse) },
    (app: FastifyInstance) => { app.setValidatorCompiler(() => () => false) },
    (app: FastifyInstance) => { app.setValidatorCompiler(() => () => ({ error: new Error('not a value of mine') })) },
  ]) {
    const app = await appOf(t, { transform: refuse }, async (app) => {
      build(app)
      await app.register(postgresJs, options)
    })
    await answers(t, app)
    isDescribed(t, app)
  }
})

t.test('zod as the compilers that Fastify is created with', async (t) => {
  const compilersFactory = { buildSerializer: () => serializerCompiler, buildValidator: () => validatorCompiler }
  const app = await appOf(t, ZOD, async (app) => {
    await app.register(postgresJs, options)
    app.register(zodRoutes)
  }, { schemaController: { compilersFactory } as object })
  await answers(t, app)
  isDescribed(t, app)
  t.same((await app.inject('/double/21')).json(), { double: 42 })
})

t.test('the transform of the app applies where its compilers take JSON schemas, or none are set', async (t) => {
  const hide: FastifyDynamicSwaggerOptions['transform'] = ({ schema, url }) => ({ schema: { ...schema, hide: url.startsWith('/api/health') }, url })
  for (const build of [
    () => {},
    (app: FastifyInstance) => { app.setSerializerCompiler(() => JSON.stringify) },
    (app: FastifyInstance) => { app.setValidatorCompiler(TypeBoxValidatorCompiler) },
  ]) {
    const app = await appOf(t, { transform: hide }, async (app) => {
      build(app)
      await app.register(postgresJs, options)
    })
    await answers(t, app)
    t.equal(described(app, '/api/health'), undefined)
  }
})

t.test('what routeOptions say stands before what the routes do by themselves', async (t) => {
  const response = { 200: z.object({ status: z.string() }), 503: z.object({ status: z.string() }) }
  const own = await appOf(t, ZOD, async (app) => {
    useZod(app)
    await app.register(postgresJs, { ...options, health: { routeOptions: { schema: { tags: ['probe'], response }, config: { swaggerTransform: jsonSchemaTransform } } } })
  })
  t.same((await own.inject('/api/health')).json(), { status: 'healthy' })
  t.strictSame(described(own, '/api/health'), ['status'])

  const hidden = await appOf(t, ZOD, async (app) => {
    useZod(app)
    await app.register(postgresJs, { ...options, health: { routeOptions: { schema: { hide: true } } } })
  })
  t.equal(described(hidden, '/api/health'), undefined)

  const serialized = await appOf(t, {}, async (app) => {
    await app.register(postgresJs, { ...options, health: { routeOptions: { serializerCompiler: () => () => '"mine"' } } })
  })
  t.equal((await serialized.inject('/api/health')).body, '"mine"')
})
