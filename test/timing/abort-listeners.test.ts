import { getEventListeners } from 'node:events'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { freshDatabase, openDatabase, until } from '../support/database.js'
import { runScript } from '../support/script.js'

const ABORTED = { code: 'FST_PG_ABORTED', cause: { message: 'enough' } }

/** What the process warns of while a test runs. */
function warnings (t: Test): string[] {
  const seen: string[] = []
  const note = ({ name }: Error): void => { seen.push(name) }
  process.on('warning', note)
  t.teardown(() => { process.off('warning', note) })
  return seen
}

t.test('a thousand calls with one signal have one listener, warn of nothing, and all end with it', async (t) => {
  const observer = await freshDatabase(t)
  const db = await openDatabase(t, observer, { max: 4, maxWaiting: 0 })
  const seen = warnings(t)
  const controller = new AbortController()
  const { signal } = controller
  const listeners = (): number => getEventListeners(signal, 'abort').length
  const sleep = { text: 'SELECT pg_sleep(60)', signal }
  const kinds: ReadonlyArray<() => Promise<unknown>> = [
    () => db.fetchVal(sleep),
    () => db.acquire({ signal }).then((lease) => lease.fetchVal(sleep).finally(() => lease.release())),
    () => db.executeMany({ text: 'SELECT pg_sleep($1)', signal }, [[60], [60]]),
    () => db.transaction((tx) => Promise.all([tx.fetchVal(sleep), tx.fetchVal(sleep)])),
  ]
  const calls = Promise.allSettled(Array.from({ length: 1000 }, (_, index) => kinds[index % kinds.length]?.()))
  await until(async () => (await observer.backends()).filter(({ state, query }) => state === 'active' && query.includes('pg_sleep')).length === 4)
  t.equal(listeners(), 1)
  controller.abort(new Error('enough'))
  const outcomes = await calls
  t.same(outcomes.filter((outcome) => outcome.status === 'fulfilled'), [])
  t.match(outcomes, outcomes.map(() => ({ reason: ABORTED })))
  t.equal(listeners(), 0)
  t.same(seen, [])
  t.equal(await db.fetchVal('SELECT 7'), 7)
})

t.test('calls that end by themselves leave no listener to a signal that others still use', async (t) => {
  const db = await openDatabase(t, await freshDatabase(t))
  const seen = warnings(t)
  const controller = new AbortController()
  const { signal } = controller
  const long = db.fetchVal({ text: 'SELECT pg_sleep(60)', signal })
  await Promise.all(Array.from({ length: 200 }, (_, n) => db.fetchVal({ text: 'SELECT $1::int', signal }, n)))
  await t.rejects(db.fetchVal({ text: 'SELECT 1 / 0', signal }), { code: '22012' })
  t.equal(getEventListeners(signal, 'abort').length, 1)
  controller.abort(new Error('enough'))
  await t.rejects(long, ABORTED)
  t.equal(getEventListeners(signal, 'abort').length, 0)
  await t.rejects(db.fetchVal({ text: 'SELECT 1', signal }), ABORTED)
  t.same(seen, [])
})

t.test("a listener that throws, a user's or one of ours, keeps no call from ending", async (t) => {
  const observer = await freshDatabase(t)
  const child = runScript(`
    import { createDatabase } from './src/index.ts'
    import { listen } from './src/timing/abort-listeners.ts'
    const thrown = []
    process.on('uncaughtException', ({ message }) => thrown.push(message))
    const db = createDatabase({ url: process.env.URL_OF_TEST, min: 1, max: 1 }, {})
    await db.open()
    const controller = new AbortController()
    const { signal } = controller
    const bad = (message) => { throw new Error(message) }
    signal.addEventListener('abort', () => bad('before'))
    listen(signal, { aborted: () => bad('ours') })
    const calls = Promise.allSettled(Array.from({ length: 5 }, () => db.fetchVal({ text: 'SELECT pg_sleep(60)', signal })))
    signal.addEventListener('abort', () => bad('behind'))
    controller.abort()
    const codes = (await calls).map(({ reason }) => reason?.code)
    const alive = await db.fetchVal('SELECT 7')
    await db.close()
    console.log(JSON.stringify({ codes, alive, thrown: thrown.sort() }))`, { URL_OF_TEST: observer.url })
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)])
  t.match(out, /\{"codes"/, err)
  t.same(JSON.parse(out.slice(out.lastIndexOf('{"codes"'))), { codes: Array(5).fill('FST_PG_ABORTED'), alive: 7, thrown: ['before', 'behind', 'ours'] })
})
