import { AsyncLocalStorage } from 'node:async_hooks'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { createDatabase, type Database, type DatabaseOptions, errors, ServerError } from '../../src/index.js'
import { callsTo, withCallers } from '../../src/errors/callers-stack.js'
import { FaultProxy } from '../../tools/fault-proxy.js'
import { freshDatabase, memoryLog, type Observer, openDatabase } from '../support/database.js'
import { failure } from '../support/failure.js'

const SECRET = 'opensesame-4711'
const FILE = fileURLToPath(import.meta.url)
const lines = readFileSync(FILE, 'utf8').split('\n')

/** The lines of this file that a stack names, from the innermost on. */
function named (error: unknown): string[] {
  const stack = error instanceof Error ? error.stack ?? '' : ''
  return stack.split('\n').flatMap((frame) => {
    const line = frame.includes(FILE) ? /:(\d+):\d+\)?$/.exec(frame)?.[1] : undefined
    return line === undefined ? [] : [lines[Number(line) - 1] ?? '']
  })
}

/** The innermost line of this file in the stack of what fails is one that says so. */
async function pointsHere (t: Test, what: string, code: string, call: () => unknown, mark = '// here'): Promise<Error> {
  const error = await failure(call)
  t.match(error, { code }, what)
  const [innermost = 'no line of the caller'] = named(error)
  t.ok(innermost.includes(mark), `${what}: ${innermost.trim()}`)
  if (!(error instanceof Error)) throw new Error('that is no error')
  t.match(error.stack, new RegExp(`^${error.name}: `), `${what}: with its header`)
  t.ok(error.stack?.startsWith(`${error.name}: ${error.message}\n`), `${what}: and its message`)
  return error
}

type Cases = Array<[what: string, code: string, call: (db: Database) => unknown]>
const bad = `SELECT 1 / 0, '${SECRET}'`
const badWith = `SELECT 1 / (length($1::text) - length($1)), '${SECRET}'`

async function tables (observer: Observer): Promise<void> {
  await observer.rows('CREATE TABLE parents (id int PRIMARY KEY)')
  await observer.rows('CREATE TABLE children (id int REFERENCES parents DEFERRABLE INITIALLY DEFERRED)')
  await observer.rows('INSERT INTO parents VALUES (1)')
}

/** What a caller may await, and how. */
const awaiting: Cases = [
  ['fetchOne', '22012', async (db) => {
    await db.fetchOne(bad) // here
  }],
  ['fetchAll', '22012', async (db) => {
    await db.fetchAll(badWith, SECRET) // here
  }],
  ['fetchVal', '22012', async (db) => {
    await db.fetchVal(badWith, SECRET) // here
  }],
  ['execute', '22012', async (db) => {
    await db.execute(bad) // here
  }],
  ['executeWithReturning', '23505', async (db) => {
    await db.executeWithReturning('INSERT INTO parents VALUES ($1) RETURNING id', 1) // here
  }],
  ['executeMany', '23505', async (db) => {
    await db.executeMany('INSERT INTO parents VALUES ($1)', [[2], [3], [1]]) // here
  }],
  ['executeMany by a pipeline', '23505', async (db) => {
    await db.executeMany({ text: 'INSERT INTO parents VALUES ($1)', batch: 'pipeline' }, [[2], [3], [1]]) // here
  }],
  ['executeManyWithReturning', '23505', async (db) => {
    await db.executeManyWithReturning('INSERT INTO parents VALUES ($1) RETURNING id', [[2], [1]]) // here
  }],
  ['with options', '22012', async (db) => {
    await db.fetchVal({ text: badWith, timeout: 5, prepare: true }, SECRET) // here
  }],
  ['Promise.all', '22012', async (db) => {
    await Promise.all([db.fetchVal('SELECT 1'), db.fetchVal(bad)]) // here
  }],
  ['Promise.race', '22012', async (db) => {
    await Promise.race([db.fetchVal(bad), db.fetchVal('SELECT pg_sleep(0.2)')]) // here
  }],
  ['Promise.any', '22012', async (db) => {
    await Promise.any([db.fetchVal(bad)]).catch(({ errors: [error] }) => { throw error }) // here
  }],
  ['Promise.allSettled', '22012', async (db) => {
    const [outcome] = await Promise.allSettled([db.fetchVal(bad)]) // here
    if (outcome.status === 'rejected') throw outcome.reason
  }],
  ['a promise that is awaited a line later', '22012', async (db) => {
    const value = db.fetchVal(bad)
    await value // here
  }],
  ['then', '22012', async (db) => {
    await db.fetchVal(bad).then((value) => value) // here
  }],
  ['catch and finally', '22012', async (db) => {
    await db.fetchVal(bad).catch((error) => { throw error }).finally(() => {}) // here
  }],
  ['an async generator', '22012', async (db) => {
    const values = async function * (): AsyncGenerator<unknown> {
      yield await db.fetchVal(bad) // here
    }
    for await (const value of values()) t.fail(String(value))
  }],
  ['inside an AsyncLocalStorage', '22012', async (db) => {
    await new AsyncLocalStorage().run({}, async () => {
      await db.fetchVal(bad) // here
    })
  }],
  ['while it waits behind others', '22012', async (db) => {
    for (let count = 0; count < 8; count++) db.fetchVal('SELECT pg_sleep(0.02)')
    await db.fetchVal(bad) // here
  }],
]

/** What goes wrong before anything is sent, on the way, and at the end. */
const kinds: Cases = [
  ['no query', 'FST_PG_QUERY', async (db) => {
    await db.fetchVal(7 as never) // here
  }],
  ['a bad option of the call', 'FST_PG_OPTION', async (db) => {
    await db.fetchVal({ text: bad, timeout: -1 }) // here
  }],
  ['a transaction by hand', 'FST_PG_QUERY', async (db) => {
    await db.execute('BEGIN') // here
  }],
  ['too many arguments', 'FST_PG_PARAMETER_COUNT', async (db) => {
    await db.fetchVal('SELECT $1::text', SECRET, SECRET) // here
  }],
  ['a value that is refused at once', 'FST_PG_VALUE', async (db) => {
    await db.fetchVal('SELECT $1::text', undefined) // here
  }],
  ['a value that is refused when its type is known', 'FST_PG_VALUE', async (db) => {
    await db.fetchVal('SELECT $1::text, $2::text', SECRET, { secret: SECRET }) // here
  }],
  ['a value for a prepared statement', 'FST_PG_VALUE', async (db) => {
    const query = { text: 'SELECT $1::int + 1', prepare: true }
    await db.fetchVal(query, 1)
    await db.fetchVal(query, { secret: SECRET }) // here
  }],
  ['a timeout', 'FST_PG_QUERY_TIMEOUT', async (db) => {
    await db.fetchVal({ text: 'SELECT pg_sleep(60)', timeout: 0.05 }) // here
  }],
  ['an abort', 'FST_PG_ABORTED', async (db) => {
    await db.fetchVal({ text: 'SELECT pg_sleep(60)', signal: AbortSignal.timeout(20) }) // here
  }],
  ['an abort beforehand', 'FST_PG_ABORTED', async (db) => {
    await db.fetchVal({ text: 'SELECT 1', signal: AbortSignal.abort() }) // here
  }],
  ['an abort of a batch', 'FST_PG_ABORTED', async (db) => {
    await db.executeMany({ text: 'SELECT pg_sleep($1)', signal: AbortSignal.timeout(20) }, [[60]]) // here
  }],
  ['a timeout of a batch', 'FST_PG_QUERY_TIMEOUT', async (db) => {
    await db.executeMany({ text: 'SELECT pg_sleep($1)', timeout: 0.05 }, [[60]]) // here
  }],
  ['a value in a batch', 'FST_PG_VALUE', async (db) => {
    await db.executeMany('INSERT INTO parents VALUES ($1)', [[2], [{ secret: SECRET }]]) // here
  }],
  ['a list that is none', 'FST_PG_QUERY', async (db) => {
    await db.executeMany('INSERT INTO parents VALUES ($1)', [[2], 3 as never]) // here
  }],
  ['lists that are none', 'FST_PG_QUERY', async (db) => {
    await db.executeMany('INSERT INTO parents VALUES ($1)', 3 as never) // here
  }],
  ['COPY', 'FST_PG_QUERY', async (db) => {
    await db.execute('COPY parents FROM STDIN') // here
  }],
  ['a connection that the server ends', 'FST_PG_CONNECTION_LOST', async (db) => {
    await db.fetchVal('SELECT pg_terminate_backend(pg_backend_pid())') // here
  }],
  ['COMMIT', '23503', async (db) => {
    await db.transaction((tx) => tx.execute('INSERT INTO children VALUES (7)')) // here
  }],
  ['an error that is swallowed', 'FST_PG_TRANSACTION_ABORTED', async (db) => {
    await db.transaction((tx) => tx.execute(bad).catch(() => {})) // here
  }],
  ['a transaction that was ended', 'FST_PG_TRANSACTION_ABORTED', async (db) => {
    await db.transaction((tx) => tx.execute("DO $$ BEGIN COMMIT; END $$; SELECT 'COMMIT'").catch(() => {})) // here
  }],
  ['a bad option of a transaction', 'FST_PG_OPTION', async (db) => {
    await db.transaction(() => {}, { isolation: 'none' as never }) // here
  }],
  ['a call in a transaction', '22012', async (db) => {
    await db.transaction(async (tx) => {
      await tx.fetchVal(bad) // here
    })
  }],
  ['Promise.all in a transaction', '22012', async (db) => {
    await db.transaction(async (tx) => {
      await Promise.all([tx.fetchVal('SELECT 1'), tx.fetchVal(bad)]) // here
    })
  }],
  ['a savepoint', '22012', async (db) => {
    await db.transaction((tx) => tx.transaction(async (inner) => {
      await inner.fetchVal(bad) // here
    }))
  }],
  ['what a savepoint swallows', 'FST_PG_TRANSACTION_ABORTED', async (db) => {
    await db.transaction(async (tx) => {
      await tx.transaction((inner) => inner.fetchVal(bad).catch(() => {})) // here
    })
  }],
  ['a batch in a transaction', '23505', async (db) => {
    await db.transaction(async (tx) => {
      await tx.executeMany('INSERT INTO parents VALUES ($1)', [[1]]) // here
    })
  }],
  ['a transaction that is over', 'FST_PG_RELEASED', async (db) => {
    const over = await db.transaction((tx) => [tx])
    await over[0]?.fetchVal('SELECT 1') // here
  }],
  ['a text of a tag', '22012', async (db) => {
    await db.sql.unsafe('SELECT 1 / $1::int', [0]) // here
  }],
  ['a text of a tag that is refused before it is sent', 'FST_PG_QUERY', async (db) => {
    await db.sql.unsafe('SELECT \0', [1]) // here
  }],
  ['a text of a tag that runs before it is awaited', 'FST_PG_QUERY', async (db) => {
    const query = db.createSql().unsafe('SELECT \0', [1]).execute() // here
    await query
  }],
  ['a lease', '22012', async (db) => {
    await using lease = await db.acquire()
    await lease.fetchVal(bad) // here
  }],
  ['a transaction by hand on a lease', '42601', async (db) => {
    await using lease = await db.acquire()
    await lease.execute('BEGIN ISOLATION LEVEL nothing') // here
  }],
  ['a transaction on a lease', '23503', async (db) => {
    await using lease = await db.acquire()
    await lease.transaction((tx) => tx.execute('INSERT INTO children VALUES (7)')) // here
  }],
  ['a lease that is over', 'FST_PG_RELEASED', async (db) => {
    const lease = await db.acquire()
    await lease.release()
    await lease.fetchVal('SELECT 1') // here
  }],
  ['acquire', 'FST_PG_ABORTED', async (db) => {
    await db.acquire({ signal: AbortSignal.abort() }) // here
  }],
]

for (const debug of [false, true]) {
  t.test(`the stack of a failed call names the line that awaits it, ${debug ? 'with' : 'without'} debug`, async (t) => {
    const observer = await freshDatabase(t)
    await tables(observer)
    const db = await openDatabase(t, observer, { min: 2, debug })
    for (const [what, code, call] of [...awaiting, ...kinds]) {
      if (debug && what.includes('a line later')) continue
      const { stack } = await pointsHere(t, what, code, () => call(db))
      if (!debug) t.notMatch(stack, SECRET, `${what}: no data`)
    }
  })
}

t.test('so does that of the first call, which waits to know how its text is to be read', async (t) => {
  const observer = await freshDatabase(t)
  const first = (options: DatabaseOptions = {}): Database => {
    const db = createDatabase({ url: observer.url, min: 1, max: 1, log: memoryLog(), startupTimeout: 0.2, ...options }, {})
    t.teardown(() => db.close())
    return db
  }
  for (const debug of [false, true]) {
    await pointsHere(t, 'a server error', '22012', async () => {
      await first({ debug }).fetchVal("SELECT 1 / 0, '\\'") // here
    })
    await pointsHere(t, 'a value', 'FST_PG_VALUE', async () => {
      await first({ debug }).fetchVal("SELECT $1, '\\'", undefined) // here
    })
    await pointsHere(t, 'a transaction by hand', 'FST_PG_QUERY', async () => {
      await first({ debug }).execute("BEGIN; SELECT '\\'") // here
    })
    await pointsHere(t, 'a batch', '22012', async () => {
      await first({ debug }).executeMany("SELECT 1 / $1::int, '\\'", [[0]]) // here
    })
    const nowhere = first({ debug, host: '127.0.0.1', port: 1 })
    for (const mark of ['one caller', 'another']) {
      await pointsHere(t, `no server, ${mark}`, 'FST_PG_STARTUP', async () => {
        await nowhere.fetchVal("SELECT '\\'") // here
      })
    }
  }
})

/** As they stand in many handlers: nobody awaits in an async function. */
const unawaited: Cases = [
  ['a helper', '22012', (db) =>
    db.fetchVal(bad), // here
  ],
  ['a batch', '23505', (db) =>
    db.executeMany('INSERT INTO parents VALUES ($1)', [[1]]), // here
  ],
  ['a transaction', '23503', (db) =>
    db.transaction((tx) => tx.execute('INSERT INTO children VALUES (7)')), // here
  ],
  ['in a transaction', '22012', (db) => db.transaction((tx) =>
    tx.fetchVal(bad)), // here
  ],
  ['a lease', 'FST_PG_ABORTED', (db) =>
    db.acquire({ signal: AbortSignal.abort() }), // here
  ],
  ['a timeout', 'FST_PG_QUERY_TIMEOUT', (db) =>
    db.fetchVal({ text: 'SELECT pg_sleep(60)', timeout: 0.05 }), // here
  ],
  ['an async function that returns the promise', '22012', async (db) => {
    return db.fetchVal(bad) // here
  }],
]

t.test('where nobody awaits it in an async function, debug names the line of the call, and without it the stack is as it was', async (t) => {
  const observer = await freshDatabase(t)
  await tables(observer)
  // Away from this test's own functions, which do await.
  const alone = (call: () => unknown): Promise<unknown> => new Promise((resolve, reject) => {
    setImmediate(() => (call() as Promise<unknown>).then(() => reject(new Error('it did not fail')), resolve))
  })
  const db = await openDatabase(t, observer, { debug: true })
  for (const [what, code, call] of unawaited) {
    const error = await alone(() => call(db))
    await pointsHere(t, what, code, async () => { throw error })
  }
  const quiet = await openDatabase(t, observer)
  for (const [what, , call] of unawaited) {
    const error = await alone(() => call(quiet))
    t.match(error, { stack: /\n {4}at .*src\// }, `${what}: still where it came from`)
  }
})

t.test('a call that fails at once names its line, whoever awaits it, also without debug', async (t) => {
  const db = await openDatabase(t, await freshDatabase(t))
  const ways: Cases = [
    ['no query', 'FST_PG_QUERY', () => db.fetchVal(7 as never)], // here
    ['a value', 'FST_PG_VALUE', () => db.fetchVal({ text: 'SELECT $1', prepare: false }, undefined)], // here
    ['an abort', 'FST_PG_ABORTED', () => db.fetchVal({ text: 'SELECT 1', signal: AbortSignal.abort() })], // here
    ['a transaction without a function', 'FST_PG_QUERY', () => db.transaction(undefined as never)], // here
  ]
  for (const [what, code, call] of ways) {
    // However deep: V8 keeps ten calls only.
    const nested = (depth: number): unknown => depth === 0 ? call(db) : nested(depth - 1)
    const error = await new Promise((resolve) => setImmediate(() => (nested(3) as Promise<unknown>).catch(resolve)))
    await pointsHere(t, what, code, async () => { throw error })
  }
})

t.test('of an error that meets many, each caller has one of its own, with its own line', async (t) => {
  const observer = await freshDatabase(t)
  const proxy = await FaultProxy.start(t, observer.url)
  const own = async (what: string, code: string, calls: Array<() => Promise<unknown>>): Promise<void> => {
    const failures = await Promise.all(calls.map(failure))
    failures.forEach((error, index) => {
      t.match(error, { code }, what)
      t.match(named(error)[0], `// ${index}`, `${what}: ${index}`)
      t.equal((error as Error).cause, (failures[0] as Error).cause, `${what}: of the same cause`)
    })
    t.equal(new Set(failures).size, calls.length, what)
  }
  const connect = async (options: DatabaseOptions = {}): Promise<Database> => {
    const db = createDatabase({ url: proxy.url, min: 1, max: 1, log: memoryLog(), startupTimeout: 0.3, ...options }, {})
    t.teardown(() => db.close())
    await db.open()
    return db
  }

  const count = 'SELECT count(*) FROM locked'
  const lost = await connect()
  await observer.rows('CREATE TABLE locked ()')
  for (let warm = 0; warm < 20; warm++) await Promise.all([lost.fetchVal(count), lost.fetchVal(count)]) // known to be quick
  let calls: Array<Promise<unknown>> = []
  for (;;) {
    proxy.hold('answers')
    calls = [lost.fetchVal(count), lost.fetchVal(count), lost.fetchVal(count)]
    if (lost.stats().waiting === 0) break
    // On a busy machine one was just slow, so that it travels alone: once more.
    proxy.hold(false)
    await Promise.all(calls)
  }
  const neighbours = own('a connection that is lost to several', 'FST_PG_CONNECTION_LOST', [
    async () => {
      await calls[0] // 0
    },
    async () => {
      await calls[1] // 1
    },
    async () => {
      await Promise.all([calls[2]]) // 2
    },
  ])
  proxy.cut()
  await neighbours

  const closing = await connect({ closeTimeout: 0 })
  const waiting = own('a pool that is closed', 'FST_PG_CLOSED', [
    async () => {
      await closing.acquire() // 0
      await closing.fetchVal('SELECT 1') // 0
    },
    async () => {
      await closing.fetchVal('SELECT 1') // 1
    },
    async () => {
      await closing.acquire() // 2
    },
    async () => {
      await closing.transaction((tx) => tx.fetchVal('SELECT 1')) // 3
    },
    async () => {
      await closing.executeMany('SELECT $1::int', [[1]]) // 4
    },
  ])
  await closing.close()
  await waiting
  await own('a closed pool', 'FST_PG_CLOSED', [
    async () => {
      await closing.fetchVal('SELECT 1') // 0
    },
    async () => {
      await closing.transaction(() => {}) // 1
    },
  ])

  const away = new URL(observer.url)
  away.pathname = '/nowhere'
  const failed = createDatabase({ url: away.href, log: memoryLog(), startupTimeout: 0.3 }, {})
  await own('a failed start', 'FST_PG_CONNECT', [
    async () => {
      await failed.open() // 0
    },
    async () => {
      await failed.open() // 1
    },
    async () => {
      await failed.fetchVal('SELECT 1') // 2
    },
    async () => {
      await failed.acquire() // 3
    },
  ])
  await own('after a failed start', 'FST_PG_CONNECT', [
    async () => {
      await failed.fetchVal('SELECT 1') // 0
    },
    async () => {
      await failed.acquire() // 1
    },
  ])

  const db = await openDatabase(t, observer)
  await own('the transaction too', 'FST_PG_CONNECTION_LOST', [
    async () => {
      await db.transaction(async (tx) => { // 0
        await observer.kill([await tx.fetchVal<number>('SELECT pg_backend_pid()') ?? 0])
        const swallow = (): void => {}
        await own('a transaction whose connection is lost', 'FST_PG_CONNECTION_LOST', [
          async () => {
            await tx.fetchVal('SELECT 1') // 0
          },
          async () => {
            await tx.fetchVal('SELECT 1') // 1
          },
          async () => {
            await tx.executeMany('SELECT $1::int', [[1]]) // 2
          },
        ]).catch(swallow)
      })
    },
  ])
})

t.test("users' own errors keep their stack, and errors that are passed on the one that they have", async (t) => {
  const observer = await freshDatabase(t)
  await tables(observer)
  const db = await openDatabase(t, observer, { debug: true })
  const mine = new Error('mine')
  const theirs = new errors.QueryError('made by a user')
  for (const error of [mine, theirs, Object.freeze(new Error('frozen')), 'no error', undefined, null]) {
    const stack = error instanceof Error ? error.stack : undefined
    t.equal(await failure(() => db.transaction(() => { throw error })), error)
    if (error instanceof Error) t.equal(error.stack, stack)
  }
  t.equal(await failure(() => db.executeMany({ text: 'SELECT $1::int', onProgress: () => { throw mine } }, [[1]])), mine)
  t.equal(await failure(() => db.executeMany('SELECT $1::int', (function * () { throw mine })())), mine)
  await pointsHere(t, 'from a transaction in a function of its own', '22012', async () => {
    const inner = async (): Promise<void> => {
      await db.fetchVal(bad) // here
    }
    await db.transaction(() => inner())
  })
})

t.test('class, code, cause and properties are those that they were', async (t) => {
  const observer = await freshDatabase(t)
  await tables(observer)
  const db = await openDatabase(t, observer)
  const error = await failure(async () => await db.execute('INSERT INTO parents VALUES (1)'))
  t.type(error, 'ServerError')
  t.strictSame(Object.keys(error as Error).filter((name) => Reflect.get(error as Error, name) !== undefined).sort(),
    ['code', 'constraint_name', 'name', 'schema_name', 'severity', 'table_name'])
  const reason = new Error('enough')
  const aborted = await failure(async () => await db.fetchVal({ text: 'SELECT 1', signal: AbortSignal.abort(reason) }))
  t.ok(aborted instanceof errors.AbortedError)
  t.match(aborted, { cause: reason, statusCode: 499, name: 'FastifyError' })
  t.notOk(Object.keys(aborted as Error).includes('stack'))
})

t.test('a setting or a function of the user for stacks does no harm', async (t) => {
  const db = await openDatabase(t, await freshDatabase(t))
  const { prepareStackTrace, stackTraceLimit } = Error
  t.teardown(() => Object.assign(Error, { prepareStackTrace, stackTraceLimit }))
  const each = async (what: string): Promise<void> => {
    const failures = [await failure(() => db.fetchVal(bad)), await failure(() => db.fetchVal(7 as never)), await failure(() => db.transaction((tx) => tx.fetchVal(bad)))]
    Object.assign(Error, { prepareStackTrace, stackTraceLimit })
    t.match(failures, [{ code: '22012' }, { code: 'FST_PG_QUERY' }, { code: '22012' }], what)
    t.equal(await db.fetchVal('SELECT 1'), 1, what)
  }
  Error.prepareStackTrace = (_, sites) => sites
  await each('it gives something else')
  Error.stackTraceLimit = 0
  await each('no stacks')
  // Not while a tool of the test may make a stack.
  const told = (error: Error): Error => {
    Error.prepareStackTrace = () => { throw new Error('no stack') }
    try {
      return withCallers(error, callsTo(told))
    } finally {
      Object.assign(Error, { prepareStackTrace })
    }
  }
  const error = new ServerError({ code: '22012', message: 'it throws' })
  t.equal(told(error), error)
})

t.test('while calls succeed, no stack is captured', async (t) => {
  const db = await openDatabase(t, await freshDatabase(t))
  const { captureStackTrace } = Error
  t.teardown(() => { Error.captureStackTrace = captureStackTrace })
  let captured = 0
  Error.captureStackTrace = (...args) => {
    captured++
    captureStackTrace(...args)
  }
  for (let count = 0; count < 5; count++) {
    await Promise.all([db.fetchVal('SELECT $1::int', 1), db.fetchAll('SELECT 1'), db.execute('SELECT 1; SELECT 2')])
    await db.transaction((tx) => tx.executeMany('SELECT $1::int', [[1]]))
  }
  t.equal(captured, 0)
  await failure(async () => await db.fetchVal(bad))
  t.ok(captured > 0, 'it counts')
})

t.test('of a transaction whose function is one call, the line that awaits it is within reach', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer, { min: 1, max: 1 })
  await pointsHere(t, 'an arrow', '22012', async () => {
    await db.transaction((tx) => tx.fetchVal(bad)) // here
  })
  await pointsHere(t, 'a savepoint', '22012', async () => {
    await db.transaction((tx) => tx.transaction((inner) => inner.fetchVal(bad))) // here
  })
  const lease = await db.acquire()
  await pointsHere(t, 'a lease', '22012', async () => {
    await lease.transaction((tx) => tx.fetchVal(bad)) // here
  })
  await lease.release()
})
