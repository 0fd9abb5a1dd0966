import Fastify from 'fastify'
import postgresJs from '../../plugins/db.js'
import { useSandbox } from '../../testing/index.js'

/** What a round of tests took, in milliseconds, without a sandbox and with one, and the ratio: medians, of rounds that alternate. */
export interface Rounds { usual: number, sandboxed: number, ratio: number }

export interface RoundsOptions {
  url: string
  rounds: number
  /** Tests in a round, each of five requests: two that read one row, one that reads ten, one that inserts, and one that updates. */
  tests: number
}

/** The same requests to one app, without cleaning up, and in a sandbox with a reset after each test. */
export async function measureRounds ({ url, rounds, tests }: RoundsOptions): Promise<Rounds> {
  const app = Fastify()
  app.register(postgresJs, { url, min: 2, max: 4, log: { debug () {}, info () {}, warn () {}, error () {} } })
  app.get<{ Params: { id: number } }>('/rows/:id', ({ params: { id } }) => app.db.fetchOne('SELECT id, name FROM rows WHERE id = $1', id))
  app.get('/rows', () => app.db.fetchAll('SELECT id, name FROM rows WHERE id <= $1 ORDER BY id', 10))
  app.post('/rows', () => app.db.executeWithReturning('INSERT INTO rows (name) VALUES ($1) RETURNING id', 'new'))
  app.put<{ Params: { id: number } }>('/rows/:id', ({ params: { id } }) => app.db.execute('UPDATE rows SET name = $2 WHERE id = $1', id, 'other'))
  try {
    await app.ready()
    await app.db.execute(`DROP TABLE IF EXISTS rows; CREATE TABLE rows (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text);
      INSERT INTO rows (name) SELECT 'row ' || n FROM generate_series(1, 1000) AS n`)
    const requests = [['GET', '/rows/7'], ['GET', '/rows'], ['POST', '/rows'], ['PUT', '/rows/8'], ['GET', '/rows/9']] as const
    const round = async (afterEach: () => Promise<void>): Promise<number> => {
      const start = performance.now()
      for (let test = 0; test < tests; test++) {
        for (const [method, url] of requests) {
          const { statusCode } = await app.inject({ method, url })
          if (statusCode !== 200) throw new Error(`${method} ${url} ${statusCode}`)
        }
        await afterEach()
      }
      return performance.now() - start
    }
    const times: { usual: number[], sandboxed: number[] } = { usual: [], sandboxed: [] }
    for (let index = -1; index < rounds; index++) {
      const usual = await round(async () => {})
      const sandbox = await useSandbox(app)
      const sandboxed = await round(() => sandbox.reset())
      await sandbox.close()
      if (index < 0) continue // to warm up
      times.usual.push(usual)
      times.sandboxed.push(sandboxed)
    }
    const ratios = times.sandboxed.map((sandboxed, index) => sandboxed / (times.usual[index] ?? 0))
    return { usual: median(times.usual), sandboxed: median(times.sandboxed), ratio: median(ratios) }
  } finally {
    await app.close()
  }
}

function median (values: number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}
