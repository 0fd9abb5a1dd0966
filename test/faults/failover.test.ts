import t, { type Test } from 'tap'
import { createDatabase, type Database, type DatabaseOptions, errors, ServerError } from '../../src/index.js'
import { HostOrder } from '../../src/connector/host-order.js'
import type { Host } from '../../src/config/target.js'
import { freshDatabase, memoryLog, until } from '../support/database.js'
import { FaultProxy } from '../../tools/fault-proxy.js'
import { query, startStreamingPair } from '../support/streaming-pair.js'

/** `127.0.0.1:5432`, of a URL. */
const hostOf = (url: string): string => new URL(url).host

/** The given URL with several hosts in place of its own. */
const withHosts = (url: string, ...hosts: string[]): string => url.replace(hostOf(url), hosts.join(','))

async function opened (t: Test, options: DatabaseOptions): Promise<Database> {
  const db = createDatabase({ log: memoryLog(), min: 2, max: 10, ...options }, {})
  t.teardown(() => db.close())
  await db.open()
  return db
}

const portOf = async (db: Database): Promise<unknown> => await db.fetchVal('SELECT inet_server_port()')

t.test('the primary dies and the standby is promoted: writes go on, and none that was acknowledged is lost (case 47)', async (t) => {
  const { primary, standby } = await startStreamingPair(t)
  const { user, password } = primary
  const [first, second] = [hostOf(primary.url), hostOf(standby.url)]
  const both = withHosts(primary.url, second, first)

  await t.test('targetSessionAttrs chooses the server, by options and by URL, whatever the order', async (t) => {
    const wanted = { 'read-write': primary, primary, standby, 'read-only': standby, 'prefer-standby': standby, any: standby } as const
    for (const [targetSessionAttrs, { port }] of Object.entries(wanted)) {
      const byUrl = await opened(t, { url: `${both}?target_session_attrs=${targetSessionAttrs}`, min: 1 })
      t.equal(await portOf(byUrl), port, targetSessionAttrs)
      const byOptions = await opened(t, { host: [second, first], user, password, database: 'postgres', targetSessionAttrs: targetSessionAttrs as keyof typeof wanted, min: 1 })
      t.equal(await portOf(byOptions), port, targetSessionAttrs)
    }
  })

  const db = await opened(t, { host: [first, second], user, password, database: 'postgres', targetSessionAttrs: 'read-write', min: 5, acquireTimeout: 20 })
  const quiet = await opened(t, { url: both, targetSessionAttrs: 'primary', min: 3 })
  const reads = await opened(t, { url: `${both}?target_session_attrs=prefer-standby`, min: 1 })
  await db.execute('CREATE TABLE writes (id text PRIMARY KEY)')
  const acknowledged: Array<{ id: string, at: number }> = []
  const end = new AbortController()
  const writers = Array.from({ length: 20 }, async (_, writer) => {
    for (let i = 0; !end.signal.aborted; i++) {
      const id = `${writer}-${i}`
      try {
        if (i % 3 === 0) await db.transaction((tx) => tx.execute('INSERT INTO writes VALUES ($1)', id))
        else await db.execute('INSERT INTO writes VALUES ($1)', id)
        acknowledged.push({ id, at: performance.now() })
      } catch (error) {
        if (!(error instanceof errors.ConnectionLostError)) throw error
      }
    }
  })
  await until(() => acknowledged.length > 500)
  await primary.stop('immediate')
  const diedAt = performance.now()
  await until(() => db.stats().connectFailures > 3) // there is no primary for a while
  const before = acknowledged.length
  const promoting = standby.promote()
  // From the outside: by a client of its own.
  await until(async () => (await query(standby.url, 'SELECT pg_is_in_recovery() AS standby'))[0]?.['standby'] === false)
  const promotedAt = performance.now()
  await promoting
  await until(() => acknowledged.length > before + 500)
  end.abort()
  await Promise.all(writers)
  const took = (acknowledged[before]?.at ?? Infinity) - promotedAt
  t.comment(`the first write was acknowledged ${took.toFixed(0)} ms after the promotion, ${(promotedAt - diedAt).toFixed(0)} ms after the primary had died`)
  t.ok(took < 3000, `writes went on after ${took.toFixed(0)} ms`)
  const kept = new Set((await db.fetchAll('SELECT id FROM writes')).map(({ id }) => id))
  t.same(acknowledged.filter(({ id }) => !kept.has(id)), [], `all of ${acknowledged.length} acknowledged writes are there`)
  t.equal(await portOf(db), standby.port)
  t.equal(await portOf(reads), standby.port, 'who prefers a standby takes what there is')
  await until(() => db.stats().free >= 5 && db.stats().busy === 0)
  await until(() => quiet.stats().free === 3) // nobody has asked it for anything
  t.equal(await portOf(quiet), standby.port)

  await t.test('the new primary is demoted: all its connections go at the first refusal, and writes go to the old one', async (t) => {
    await primary.start()
    await query(primary.url, 'ALTER SYSTEM RESET synchronous_standby_names')
    await query(primary.url, 'SELECT pg_reload_conf()')
    await query(standby.url, 'ALTER SYSTEM SET default_transaction_read_only = on')
    const still = await opened(t, { url: both, targetSessionAttrs: 'read-write', min: 4, max: 4 })
    t.equal(await portOf(still), standby.port)
    await query(standby.url, 'SELECT pg_reload_conf()')
    await until(async () => await still.fetchVal("SELECT current_setting('transaction_read_only')") === 'on')
    const write = async (pool: Database, id: string): Promise<unknown> => await pool.execute('INSERT INTO writes VALUES ($1)', id)
    const { created } = still.stats()
    await t.rejects(write(still, 'one'), { code: '25006' })
    await until(() => still.stats().free === 4 && still.stats().created === created + 4)
    await write(still, 'two')
    t.match(still.stats(), { size: 4, closed: { check: 4 }, errors: 1 })
    t.equal(await portOf(still), primary.port)

    const refused: string[] = []
    const outcomes = await Promise.all(Array.from({ length: 20 }, async (_, writer) => {
      for (let attempt = 0; ; attempt++) {
        try {
          await write(db, `demoted-${writer}`)
          return attempt
        } catch (error) {
          if (!(error instanceof ServerError && error.code === '25006')) throw error
          refused.push(error.code)
        }
      }
    }))
    t.comment(`20 writers at once, refused before they reached the new primary: ${outcomes.join(' ')}`)
    t.ok(refused.length > 0)
    t.equal(await portOf(db), primary.port)
    t.equal((await query(primary.url, "SELECT count(*)::int AS n FROM writes WHERE id LIKE 'demoted-%'"))[0]?.['n'], 20)
  })
})

t.test('unresponsive hosts, and sessions that refuse to write', async (t) => {
  const observer = await freshDatabase(t)
  const near = hostOf(observer.url)

  t.test('the first host is a black hole: the second serves, and later connects lose no time on the first', async (t) => {
    const dead = await FaultProxy.start(t, observer.url)
    await dead.set('black-hole')
    const start = performance.now()
    const db = await opened(t, { url: withHosts(observer.url, hostOf(dead.url), near), targetSessionAttrs: 'read-write', min: 4 })
    t.comment(`open after ${(performance.now() - start).toFixed(0)} ms`)
    t.ok(performance.now() - start < 3000)
    await until(() => db.stats().opening === 0, 2) // those that hung were given up
    const { accepted } = dead
    db.expire()
    await until(() => db.stats().free === 4)
    t.equal(dead.accepted, accepted)
    t.match(db.stats(), { size: 4, created: 8, connectFailures: 0 })
  })

  t.test('the first host goes silent under a pool: writes go on against the second within 3 s of being able to', async (t) => {
    const first = await FaultProxy.start(t, observer.url)
    const db = await opened(t, { url: withHosts(observer.url, hostOf(first.url), near), targetSessionAttrs: 'primary', min: 4, max: 4, commandTimeout: 0.3 })
    t.equal(first.size, 4)
    await first.set('black-hole')
    const start = performance.now()
    await t.rejects(db.fetchVal('SELECT 1'), { code: 'FST_PG_QUERY_TIMEOUT' })
    await until(() => db.stats().closed.cancel === 1)
    await db.fetchVal('SELECT 1')
    t.comment(`served by the second after ${(performance.now() - start).toFixed(0)} ms, with a commandTimeout of 0.3 s`)
    t.ok(performance.now() - start < 300 + 1000 + 3000)
    await until(() => db.stats().free === 4)
    const { cancel = 0, check = 0 } = db.stats().closed
    t.equal(cancel + check, 4, 'the other connections were asked, and replaced')
  })

  t.test('a transaction that its user declared read-only costs no connection when it is used to write', async (t) => {
    const db = await opened(t, { url: observer.url, min: 1, max: 1 })
    await db.execute('CREATE TABLE writes (id int)')
    const pid = await db.fetchVal('SELECT pg_backend_pid()')
    await t.rejects(db.transaction((tx) => tx.execute('INSERT INTO writes VALUES (1)'), { readOnly: true }), { code: '25006' })
    const lease = await db.acquire()
    await lease.execute('SET default_transaction_read_only = on')
    await t.rejects(lease.execute('INSERT INTO writes VALUES (2)'), { code: '25006' })
    await lease.release()
    await db.execute('INSERT INTO writes VALUES (3)')
    t.equal(await db.fetchVal('SELECT pg_backend_pid()'), pid)
    t.match(db.stats(), { size: 1, created: 1 })
    t.strictSame({ ...db.stats().closed }, {}, 'none was closed')
  })

  t.test('a pool whose sessions are read-only from the start keeps its connections', async (t) => {
    const db = await opened(t, { url: observer.url, min: 1, max: 1, parameters: { default_transaction_read_only: 'on' } })
    await t.rejects(db.execute('CREATE TABLE others (id int)'), { code: '25006' })
    await until(() => db.stats().free === 1) // CREATE may leave something: it is cleaned
    t.match(db.stats(), { size: 1, free: 1, created: 1 })
    t.strictSame({ ...db.stats().closed }, {}, 'none was closed')
  })
})

t.test('unresponsive hosts come last for a while, the one that was tried longest ago first', async (t) => {
  const [a, b, c] = ['a', 'b', 'c'].map((host) => ({ host, port: 5432 })) as [Host, Host, Host]
  const order = new HostOrder([a, b, c])
  const names = (now: number): string => order.list(now).map(({ host }) => host).join('')
  t.equal(names(0), 'abc')
  order.wasUnresponsive(a, 1000)
  t.equal(names(1000), 'bca')
  order.wasUnresponsive(b, 2000)
  t.equal(names(2000), 'cab')
  order.answered(b)
  t.equal(names(3000), 'bca')
  t.equal(names(11_001), 'abc', 'after ten seconds it is tried first again')
})
