import t, { type Test } from 'tap'
import { createDatabase, type Database, type DatabaseOptions } from '../../src/index.js'
import { memoryLog, until } from '../support/database.js'
import {
  column, complete, dataRow, errorResponse, FakeServer, int16, message, parameter, ready, rowDescription
} from '../support/fake-server.js'

const PROTOCOL = 'FST_PG_PROTOCOL'
const QUERY = 'SELECT $1::int'
const COUNT = 4

function pool (t: Test, server: FakeServer, options: DatabaseOptions = {}): Database {
  const db = createDatabase({ url: server.url, min: 0, max: 1, log: memoryLog(), connectTimeout: 5, commandTimeout: 5, closeTimeout: 0, ...options }, {})
  t.teardown(() => db.close())
  return db
}

const [BOUND, CLOSED, SUSPENDED] = [message('2'), message('3'), message('s')]
const row = (n: number): Buffer[] => [BOUND, dataRow(String(n)), complete('SELECT 1')]
const rows = (...numbers: number[]): Buffer[] => numbers.flatMap(row)
const [WHOLE, FAILED] = [[...rows(0, 1, 2, 3), ready()], errorResponse('ERROR', '22012')]

/** Answers to four executions with one Sync that cannot be. */
const ANSWERS: Readonly<Record<string, Buffer[]>> = {
  'ReadyForQuery at once': [ready()],
  'ReadyForQuery behind the first': [...rows(0), ready()],
  'ReadyForQuery before the last': [...rows(0, 1, 2), ready()],
  'ReadyForQuery for each': [0, 1, 2, 3].flatMap((n) => [...row(n), ready()]),
  'ReadyForQuery within one': [...rows(0), BOUND, dataRow('1'), ready()],
  'one answer too many': [...rows(0, 1, 2, 3, 4), ready()],
  'CommandComplete twice': [...rows(0), complete('SELECT 1'), ...rows(1, 2, 3), ready()],
  'CommandComplete twice at the end': [...rows(0, 1, 2, 3), complete('SELECT 1'), ready()],
  'BindComplete twice': [BOUND, ...rows(0, 1, 2, 3), ready()],
  'no BindComplete': [...rows(0), dataRow('1'), complete('SELECT 1'), ...rows(2, 3), ready()],
  'a row between two': [...rows(0), dataRow('9'), ...rows(1, 2, 3), ready()],
  'a row behind the last': [...rows(0, 1, 2, 3), dataRow('9'), ready()],
  'a row of two fields': [...rows(0), BOUND, dataRow('1', '2'), complete('SELECT 1'), ...rows(2, 3), ready()],
  'PortalSuspended without a limit': [...rows(0), BOUND, dataRow('1'), SUSPENDED, ...rows(2, 3), ready()],
  'PortalSuspended and CloseComplete without a limit': [...rows(0), BOUND, dataRow('1'), SUSPENDED, CLOSED, ...rows(2, 3), ready()],
  'CloseComplete between two': [...rows(0, 1), CLOSED, ...rows(2, 3), ready()],
  'an answer behind an error': [...rows(0), FAILED, ...rows(2, 3), ready()],
  'a row behind an error': [...rows(0), BOUND, dataRow('1'), FAILED, dataRow('2'), ready()],
  'CommandComplete behind an error': [...rows(0), BOUND, FAILED, complete('SELECT 1'), ready()],
  'a description of its own': [...rows(0), BOUND, rowDescription(column('a', 25)), dataRow('1'), complete('SELECT 1'), ...rows(2, 3), ready()],
  ParseComplete: [...rows(0), message('1'), ...rows(1, 2, 3), ready()],
  NoData: [...rows(0), BOUND, message('n'), complete('SELECT 1'), ...rows(2, 3), ready()],
  EmptyQueryResponse: [...rows(0), BOUND, message('I'), ...rows(2, 3), ready()],
  CopyOutResponse: [...rows(0), BOUND, message('H', Buffer.from([0]), int16(0))],
  CopyInResponse: [...rows(0), BOUND, message('G', Buffer.from([0]), int16(0))],
  'a status that does not exist': [...rows(0, 1, 2, 3), ready('?')],
  garbage: [...rows(0), Buffer.from('8f3a11c07e99d2aa01', 'hex')],
  'the whole twice': [...WHOLE, ...WHOLE],
}

interface Round { readonly db: Database, readonly outcomes: Array<PromiseSettledResult<unknown>>, readonly syncs: number }

/**
 * Makes four calls of one turn of the event loop, of which each Sync gets the next of `answers`, or what is usual. Again with other
 * connections until they do travel together: on a busy machine a statement may be too slow to be trusted.
 */
async function four (t: Test, answers: ReadonlyArray<Buffer[] | undefined>): Promise<Round> {
  for (let attempts = 20; attempts > 0; attempts--) {
    let [isHostile, syncs] = [false, 0]
    const server = await FakeServer.start(t, (connection) => (sent) => {
      if (!isHostile || connection > 0) return undefined
      return sent === 'S' ? answers[syncs++] : answers[syncs] === undefined ? undefined : []
    })
    const db = pool(t, server)
    for (let n = 0; n < 10; n++) t.equal(await db.fetchVal({ text: QUERY, prepare: true }, n), n)
    isHostile = true
    const calls = Array.from({ length: COUNT }, (_, n) => db.fetchVal(QUERY, n))
    const { pipelined } = db.stats()
    const outcomes = await Promise.allSettled(calls)
    if (pipelined === COUNT - 1) return { db, outcomes, syncs }
    await db.close()
  }
  throw new Error('they do not travel together')
}

/** Values, and codes of errors. */
function shown (outcomes: ReadonlyArray<PromiseSettledResult<unknown>>): unknown[] {
  return outcomes.map((outcome) => outcome.status === 'fulfilled' ? outcome.value : (outcome.reason as { code: unknown }).code)
}

for (const [how, pieces] of Object.entries<(answer: Buffer[]) => Buffer[]>({
  'in one piece': (answer) => [Buffer.concat(answer)],
  'byte by byte': (answer) => Array.from(Buffer.concat(answer), (byte) => Buffer.from([byte])),
})) {
  t.test(`what cannot be an answer to executions with one Sync ends that connection, and all of them are told (${how})`, async (t) => {
    for (const [name, answer] of Object.entries(ANSWERS)) {
      t.test(name, async (t) => {
        const { db, outcomes, syncs } = await four(t, [pieces(answer), []])
        t.equal(syncs, 1, 'they had one Sync')
        for (const [n, outcome] of outcomes.entries()) {
          if (name === 'the whole twice') t.match(outcome, { value: n })
          else t.match(outcome, { reason: { code: PROTOCOL, statusCode: 503 } })
        }
        await until(() => db.stats().closed.lost === 1)
        t.equal(await db.fetchVal(QUERY, 3), 3)
        t.match(db.stats(), { size: 1, created: 2 })
      })
    }
  })
}

t.test('executions with one Sync', async (t) => {
  async function ask (t: Test, answers: ReadonlyArray<Buffer[] | undefined>): Promise<{ db: Database, outcomes: unknown[] }> {
    const { db, outcomes } = await four(t, answers)
    return { db, outcomes: shown(outcomes) }
  }

  t.test('an error at the end of all: each is sent again', async (t) => {
    const { db, outcomes } = await ask(t, [[...rows(7, 7, 7, 7), errorResponse('ERROR', '23503'), ready()]])
    t.strictSame(outcomes, [0, 1, 2, 3])
    t.match(db.stats(), { created: 1, errors: 0 })
  })

  t.test('a deadlock or a serialization failure: each is sent again, the one that met it too', async (t) => {
    for (const code of ['40P01', '40001']) {
      for (const before of [[], rows(7), rows(7, 7, 7)]) {
        const { db, outcomes } = await ask(t, [[...before, errorResponse('ERROR', code), ready()]])
        t.strictSame(outcomes, [0, 1, 2, 3])
        t.match(db.stats(), { created: 1, errors: 0 })
      }
    }
  })

  t.test('another error: the one that met it is told, and the others are sent again', async (t) => {
    const { db, outcomes } = await ask(t, [[...rows(7), BOUND, dataRow('7'), FAILED, ready()]])
    t.strictSame(outcomes, [0, '22012', 2, 3])
    t.match(db.stats(), { created: 1, errors: 1 })
  })

  t.test('sent again, each fails for itself, and once', async (t) => {
    const again = [BOUND, errorResponse('ERROR', '40001'), ready()]
    const { db, outcomes } = await ask(t, [[errorResponse('ERROR', '40001'), ready()], again, undefined, again])
    t.strictSame(outcomes, ['40001', 1, '40001', 3])
    t.match(db.stats(), { created: 1, errors: 2 })
  })

  t.test('the server may say anything in between', async (t) => {
    const noise = [message('N', 'SNOTICE\0VNOTICE\0C00000\0Mhello\0\0'), parameter('TimeZone', 'UTC')]
    const { db, outcomes } = await ask(t, [WHOLE.flatMap((part) => [...noise, part, ...noise])])
    t.strictSame(outcomes, [0, 1, 2, 3])
    t.match(db.stats(), { created: 1, errors: 0 })
  })

  t.test('the server hangs up, with or without a word, when some are answered', async (t) => {
    const { db, outcomes } = await ask(t, [[...rows(0, 1), errorResponse('FATAL', '57P01')]])
    for (const outcome of outcomes) t.match(outcome, /^(FST_PG_CONNECTION_LOST|57P01)$/, 'what is not committed is no answer')
    t.equal(await db.fetchVal(QUERY, 3).catch(() => 3), 3)
  })
})
