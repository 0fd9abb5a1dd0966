import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { createDatabase } from '../../src/index.js'
import { HostOrder } from '../../src/connector/host-order.js'
import { ResponseWatch } from '../../src/connector/response-watch.js'
import { FaultProxy } from '../../tools/fault-proxy.js'
import { freshDatabase, memoryLog, until } from '../support/database.js'

/** Keeps this process from reading anything. */
function block (milliseconds: number): void {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
}

t.test('only a host that was asked and has not answered counts as unresponsive', async (t) => {
  const [a, b] = [{ host: 'a', port: 5432 }, { host: 'b', port: 5432 }]
  const blamed = (use: (watch: ResponseWatch) => void): boolean => {
    const hosts = new HostOrder([a, b])
    const watch = new ResponseWatch(a, hosts, () => {})
    use(watch)
    watch.stop()
    return hosts.list()[0] !== a
  }
  t.equal(blamed((watch) => watch.timedOut()), false, 'it was never asked: the password took so long')
  t.equal(blamed((watch) => { watch.start(); watch.timedOut() }), true, 'it was asked')
  t.equal(blamed((watch) => { watch.start(); watch.answered(); watch.timedOut() }), false, 'it has answered: onConnect took so long')
})

t.test('connects of a process that is busy, or has no password', async (t) => {
  const observer = await freshDatabase(t)

  t.test('a connect that times out because the process was busy makes no host unresponsive', async (t) => {
    const [first, second] = [await FaultProxy.start(t, observer.url), await FaultProxy.start(t, observer.url)]
    const { hostname, username, password, pathname } = new URL(observer.url)
    const host = [first, second].map(({ url }) => `${hostname}:${new URL(url).port}`)
    const db = createDatabase({
      host,
      user: username,
      password,
      database: pathname.slice(1),
      min: 0,
      max: 1,
      connectTimeout: 0.6,
      log: memoryLog()
    }, {})
    t.teardown(() => db.close())
    const call = db.fetchVal('SELECT 1')
    await turn()
    block(900)
    t.equal(await call, 1)
    db.expire()
    await until(() => db.stats().size === 0)
    const accepted = first.accepted
    t.equal(await db.fetchVal('SELECT 2'), 2)
    t.equal(first.accepted, accepted + 1, 'the next connect asks the first host first')
  })

  t.test('a password function that never resolves ends by connectTimeout', async (t) => {
    let asked = 0
    const password = (): Promise<string> => {
      asked++
      return new Promise(() => {})
    }
    const url = Object.assign(new URL(observer.url), { password: '' }).href
    const db = createDatabase({ url, password, min: 1, max: 1, connectTimeout: 0.2, startupTimeout: 1, log: memoryLog() }, {})
    t.teardown(() => db.close())
    await t.rejects(db.open(), { code: 'FST_PG_STARTUP', cause: { code: 'CONNECT_TIMEOUT' } })
    t.ok(asked > 1, 'it was asked again after each timeout')
    t.same(await observer.backends(), [], 'nothing is left open')
  })
})
