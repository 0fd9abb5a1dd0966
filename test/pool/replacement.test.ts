import t from 'tap'
import { freshDatabase, openDatabase, until, uniqueName } from '../support/database.js'

t.test('how connections are kept and replaced', async (t) => {
  const observer = await freshDatabase(t)
  const pids = async (): Promise<number[]> => (await observer.backends()).map(({ pid }) => pid)

  t.test('warm-up: min 2 gives 2 free before any query (case 1)', async (t) => {
    const db = await openDatabase(t, observer, { min: 2 })
    t.match(db.stats(), { size: 2, free: 2, busy: 0, opening: 0, waiting: 0, min: 2, created: 2 })
    t.equal((await pids()).length, 2)
  })

  t.test('a held connection is killed: refilled to min (case 2)', async (t) => {
    const db = await openDatabase(t, observer, { min: 2, max: 2 })
    const lease = await db.acquire()
    await observer.kill([await lease.fetchVal<number>('SELECT pg_backend_pid()') ?? 0])
    await until(() => db.stats().size === 2 && db.stats().created === 3)
    await t.rejects(lease.fetchVal('SELECT 1'), { code: 'FST_PG_CONNECTION_LOST' })
    await lease.release()
    t.match(db.stats(), { size: 2, free: 2, busy: 0, closed: { lost: 1 } })
    t.equal((await pids()).length, 2)
  })

  t.test('a backend killed while idle: the next query succeeds (case 23)', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1 })
    for (let i = 0; i < 10; i++) {
      await observer.kill()
      await until(() => (db.stats().closed.lost ?? 0) === i + 1)
      t.equal(await db.fetchVal('SELECT $1::int', i), i)
    }
  })

  t.test('idle connections expire, never below min (case 3)', async (t) => {
    const db = await openDatabase(t, observer, { min: 2, max: 6, idleTimeout: 0.1 })
    await Promise.all(Array.from({ length: 6 }, () => db.fetchVal('SELECT pg_sleep(0.05)')))
    t.equal(db.stats().size, 6)
    let least = Infinity
    await until(() => {
      least = Math.min(least, db.stats().size)
      return db.stats().closed.idle === 4 && db.stats().closing === 0
    })
    await until(async () => (await pids()).length === 2)
    t.equal(least, 2)
    t.match(db.stats(), { size: 2, free: 2, created: 6 })
  })

  t.test('a query longer than the idle limit keeps its connection (case 4)', async (t) => {
    const db = await openDatabase(t, observer, { min: 0, max: 2, idleTimeout: 0.05 })
    const [pid] = await db.fetchAll<{ pid: number }>('SELECT pg_backend_pid() AS pid, pg_sleep(0.3)')
    t.ok(pid?.pid)
    t.notOk(db.stats().closed.lost)
    await until(() => db.stats().size === 0)
    t.equal(await db.fetchVal('SELECT 1'), 1)
  })

  t.test('50 workers, idle limit 0.1 s, random holds: no error (case 5)', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 10, idleTimeout: 0.1 })
    await Promise.all(Array.from({ length: 50 }, async (_, worker) => {
      for (let i = 0; i < 8; i++) {
        // A fixed pattern of holds around the idle limit.
        t.equal(await db.fetchVal('SELECT $1::int FROM pg_sleep($2)', i, ((worker * 7 + i * 13) % 12) / 100), i)
      }
    }))
    t.equal(db.stats().errors, 0)
  })

  t.test('an expired idle connection is never handed out; 0 is for ever (case 27)', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1, maxLifetime: 0.2 })
    const seen = new Map<number, number>()
    while (seen.size < 5) {
      const begun = performance.now()
      const pid = await db.fetchVal<number>('SELECT pg_backend_pid() FROM pg_sleep(0.01)') ?? 0
      if (!seen.has(pid)) seen.set(pid, performance.now())
      // With the jitter 0.18 s at most, and it had been opened before its first answer was seen.
      t.ok(begun - (seen.get(pid) ?? NaN) < 180, `handed out ${begun - (seen.get(pid) ?? NaN)} ms after its first answer`)
    }
    // The last one may have grown too old in the moment before this.
    const { closed, created, size } = db.stats()
    t.equal(closed.age, created - size)
    const forEver = await openDatabase(t, observer, { min: 1, max: 1, maxLifetime: 0, idleTimeout: 0, maxQueries: 0 })
    for (let i = 0; i < 50; i++) await forEver.fetchVal('SELECT pg_sleep(0.002)')
    t.equal(forEver.stats().created, 1)
  })

  t.test('replaced after maxQueries', async (t) => {
    const db = await openDatabase(t, observer, { min: 1, max: 1, maxQueries: 10 })
    const seen = new Map<unknown, number>()
    for (let i = 0; i < 50; i++) {
      const pid = await db.fetchVal('SELECT pg_backend_pid()')
      seen.set(pid, (seen.get(pid) ?? 0) + 1)
    }
    t.same([...seen.values()], [10, 10, 10, 10, 10])
    t.equal(db.stats().closed.uses, 5)
  })

  t.test('expire() replaces all: idle ones now, busy ones when they come back (case 28)', async (t) => {
    const db = await openDatabase(t, observer, { min: 3, max: 3 })
    const before = await pids()
    const lease = await db.acquire()
    const held = await lease.fetchVal<number>('SELECT pg_backend_pid()') ?? 0
    db.expire()
    await until(() => db.stats().created === 5 && db.stats().free === 2)
    t.same((await pids()).filter((pid) => before.includes(pid)), [held])
    t.equal(await lease.fetchVal('SELECT pg_backend_pid()'), held, 'the holder goes on')
    await lease.release()
    await until(() => db.stats().free === 3)
    await until(async () => (await pids()).length === 3)
    t.same((await pids()).filter((pid) => before.includes(pid)), [])
    t.match(db.stats().closed, { expired: 3 })
  })

  t.test('a rotated password is used by new connections (case 41)', async (t) => {
    const user = uniqueName('rotating')
    await observer.rows(`CREATE ROLE ${user} LOGIN PASSWORD 'first'`)
    t.teardown(() => observer.rows(`DROP ROLE ${user}`))
    let password = 'first'
    const asked: string[] = []
    const db = await openDatabase(t, observer, {
      min: 1,
      max: 2,
      user,
      password: async () => {
        asked.push(password)
        return password
      }
    })
    await observer.rows(`ALTER ROLE ${user} PASSWORD 'second'`)
    password = 'second'
    t.equal(await db.fetchVal('SELECT current_user'), user)
    db.expire()
    t.equal(await db.fetchVal('SELECT current_user'), user)
    t.same(asked, ['first', 'second'])
    await db.close()
  })

  t.test('onConnect runs once on each connection; where it fails, the connection is discarded', async (t) => {
    let failures = 2
    const db = await openDatabase(t, observer, {
      min: 2,
      max: 2,
      onConnect: async (connection) => {
        if (failures-- > 0) throw new Error('not this one')
        await connection.execute("SET application_name = 'greeted'")
      }
    })
    t.match(db.stats(), { size: 2, connectFailures: 2 })
    await until(async () => (await observer.backends()).every(({ application_name: name }) => name === 'greeted'))
    await db.execute("SET application_name = 'changed'")
    t.equal(await db.fetchVal('SHOW application_name'), 'greeted', 'what it set up is not reset away')
    await until(() => db.stats().free === 2)
    t.same([...new Set((await observer.backends()).map(({ application_name: name }) => name))], ['greeted'])
  })
})
