import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { buildApp } from '../../examples/app.js'
import { createUsersRepository } from '../../examples/users/users-db.js'
import { welcome } from '../../examples/welcome.js'
import { freshDatabase, type Observer } from '../support/database.js'

type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE'

/** The demo on a fresh database, and what asks it. */
async function demo (t: Test, max = 4) {
  const observer = await freshDatabase(t)
  const app = start(t, observer, max)
  await app.ready()
  const ask = async (method: Method, url: string, payload?: object) => {
    const response = await app.inject({ method, url, ...(payload && { payload }) })
    return { status: response.statusCode, body: response.body === '' ? undefined : response.json(), headers: response.headers }
  }
  return { app, observer, ask }
}

function start (t: Test, observer: Observer, max = 4): FastifyInstance {
  const app = buildApp({ database: { url: observer.url, min: 1, max } })
  t.teardown(() => app.close())
  return app
}

const NOBODY = 2 ** 31 - 1
const DIRECTIONS = [1, 2, 3].flatMap((from) => [1, 2, 3].filter((to) => to !== from).map((to) => ({ from, to })))

t.test('the tables are created with a few rows, once', async (t) => {
  const { app, observer } = await demo(t)
  t.equal((await app.users.list(20, 0)).length, 3)
  t.same((await app.accounts.list(20, 0)).map(({ balance }) => balance), ['100.00', '100.00', '100.00'])

  await app.users.remove(1)
  const again = start(t, observer)
  await again.ready()
  t.same((await again.users.list(20, 0)).map(({ id }) => id), [2, 3], 'what is there is left alone')
})

t.test('several processes that start at once create the tables together', async (t) => {
  const observer = await freshDatabase(t)
  await Promise.all([1, 2, 3, 4].map(() => start(t, observer).ready()))
  t.same(await observer.rows('SELECT count(*)::int AS users FROM users'), [{ users: 3 }])
})

t.test('a start that cannot create the tables fails, and closing then leaves no connection', async (t) => {
  const observer = await freshDatabase(t)
  await observer.rows('CREATE TABLE users (something_else int)')
  const app = start(t, observer)
  await t.rejects(async () => { await app.ready() }, { code: '42704' })
  await app.close()
  t.same(await observer.backends(), [])
})

t.test('GET /users lists users by id, in pages', async (t) => {
  const { ask } = await demo(t)
  const { status, body } = await ask('GET', '/users')
  t.equal(status, 200)
  t.same(body.map(({ id }: { id: number }) => id), [1, 2, 3])
  t.match(body[0], { name: 'Ada Lovelace', email: 'ada@example.com', settings: { theme: 'dark' }, created_at: /^\d{4}-\d\d-\d\dT.*Z$/ })
  t.match((await ask('GET', '/users?limit=1&offset=1')).body, [{ id: 2 }])
  t.same((await ask('GET', '/users?offset=3')).body, [])
  for (const wrong of ['limit=0', 'limit=101', 'offset=-1', 'limit=many', 'offset=1e300']) {
    t.match(await ask('GET', `/users?${wrong}`), { status: 400, body: { code: 'FST_ERR_VALIDATION' } }, wrong)
  }
})

t.test('GET /users/:id answers one user, 404 for none and 400 for what is no id', async (t) => {
  const { ask } = await demo(t)
  t.match(await ask('GET', '/users/2'), { status: 200, body: { id: 2, name: 'Charles Babbage' } })
  t.match(await ask('GET', `/users/${NOBODY}`), { status: 404, body: { code: 'DEMO_USER_NOT_FOUND' } })
  for (const wrong of ['0', '-1', '1.5', 'one', '2147483648']) t.match(await ask('GET', `/users/${wrong}`), { status: 400 }, wrong)
})

t.test('POST /users creates a user', async (t) => {
  const { ask } = await demo(t)
  const settings = { theme: 'light', tags: ['ä', null, 1.5], deep: { yes: true } }
  const created = await ask('POST', '/users', { name: "Robert'); DROP TABLE users;--", email: 'bobby@example.com', settings })
  t.match(created, { status: 201, headers: { location: '/users/4' } })
  t.same(created.body.settings, settings)
  t.same((await ask('GET', '/users/4')).body, created.body)
  t.match(await ask('POST', '/users', { name: 'Plain', email: 'plain@example.com' }), { status: 201, body: { settings: {} } })
})

t.test('POST /users refuses a duplicate e-mail address with 409, and wrong input with 400', async (t) => {
  const { ask, observer } = await demo(t)
  t.match(await ask('POST', '/users', { name: 'Ada', email: 'ada@example.com' }), { status: 409, body: { code: 'DEMO_EMAIL_TAKEN' } })
  const ok = { name: 'Ok', email: 'ok@example.com' }
  const wrong: object[] = [
    {}, { name: 'No e-mail' }, { ...ok, name: '' }, { ...ok, email: 'nowhere' }, { ...ok, settings: 'dark' }, { ...ok, nmae: 'typo' },
    { ...ok, name: 'zero \0 byte' }, { ...ok, settings: { text: 'zero \0 byte' } },
  ]
  for (const body of wrong) t.match(await ask('POST', '/users', body), { status: 400 }, JSON.stringify(body))
  t.same(await observer.rows('SELECT count(*)::int AS users FROM users'), [{ users: 3 }])
})

t.test('of two users created at once with one e-mail address, one wins', async (t) => {
  const { ask } = await demo(t)
  const same = { name: 'Twin', email: 'twin@example.com' }
  const statuses = (await Promise.all([1, 2, 3, 4].map(() => ask('POST', '/users', same)))).map(({ status }) => status)
  t.same(statuses.sort(), [201, 409, 409, 409])
})

t.test('PATCH /users/:id changes what is given', async (t) => {
  const { ask } = await demo(t)
  t.match(await ask('PATCH', '/users/1', { name: 'Ada King' }), { status: 200, body: { name: 'Ada King', email: 'ada@example.com', settings: { theme: 'dark' } } })
  t.same((await ask('PATCH', '/users/1', { settings: {} })).body.settings, {})
  t.match(await ask('PATCH', '/users/1', { email: 'charles@example.com' }), { status: 409, body: { code: 'DEMO_EMAIL_TAKEN' } })
  t.match(await ask('PATCH', `/users/${NOBODY}`, { name: 'Nobody' }), { status: 404, body: { code: 'DEMO_USER_NOT_FOUND' } })
  for (const wrong of [{}, { nmae: 'typo' }, { name: '' }, { email: 'nowhere' }]) t.match(await ask('PATCH', '/users/1', wrong), { status: 400 }, JSON.stringify(wrong))
})

t.test('DELETE /users/:id deletes the user and the accounts', async (t) => {
  const { ask } = await demo(t)
  t.match(await ask('DELETE', '/users/1'), { status: 204, body: undefined })
  t.match(await ask('GET', '/users/1'), { status: 404 })
  t.match(await ask('GET', '/accounts/1'), { status: 404 })
  t.match(await ask('DELETE', '/users/1'), { status: 404, body: { code: 'DEMO_USER_NOT_FOUND' } })
})

t.test('POST /users/batch creates all users in the given order', async (t) => {
  const { ask, observer } = await demo(t)
  const users = Array.from({ length: 500 }, (_, index) => ({ name: `User ${index}`, email: `user${index}@example.com` }))
  const { status, body } = await ask('POST', '/users/batch', users)
  t.equal(status, 201)
  t.same(body.map(({ email }: { email: string }) => email), users.map(({ email }) => email))
  t.same(await observer.rows('SELECT count(*)::int AS users FROM users'), [{ users: 503 }])
})

t.test('POST /users/batch creates none if one of them is refused', async (t) => {
  const { ask, observer } = await demo(t)
  const ok = { name: 'New', email: 'new@example.com' }
  t.match(await ask('POST', '/users/batch', [ok, { name: 'Ada', email: 'ada@example.com' }]), { status: 409, body: { code: 'DEMO_EMAIL_TAKEN' } })
  t.match(await ask('POST', '/users/batch', [ok, ok]), { status: 409 })
  for (const wrong of [[], [ok, {}], { ...ok }]) t.match(await ask('POST', '/users/batch', wrong), { status: 400 }, JSON.stringify(wrong))
  t.match(await ask('POST', '/users/batch', [ok, { name: 'zero \0 byte', email: 'zero@example.com' }]), { status: 400 })
  t.same(await observer.rows('SELECT count(*)::int AS users FROM users'), [{ users: 3 }])
})

t.test('the users module works inside a transaction too', async (t) => {
  const { app } = await demo(t)
  await t.rejects(app.db.transaction(async (tx) => {
    await createUsersRepository(tx).create({ name: 'Gone', email: 'gone@example.com' })
    throw new Error('changed my mind')
  }), { message: 'changed my mind' })
  t.equal((await app.users.list(20, 0)).length, 3)
})

t.test('GET /accounts and GET /accounts/:id show balances as strings', async (t) => {
  const { ask } = await demo(t)
  const first = { id: 1, user_id: 1, balance: '100.00' }
  const list = await ask('GET', '/accounts')
  t.equal(list.status, 200)
  t.equal(list.body.length, 3)
  t.same(list.body[0], first)
  t.match((await ask('GET', '/accounts?limit=1&offset=2')).body, [{ id: 3 }])
  t.match(await ask('GET', '/accounts?limit=no'), { status: 400 })
  t.same((await ask('GET', '/accounts/1')).body, first)
  t.match(await ask('GET', `/accounts/${NOBODY}`), { status: 404, body: { code: 'DEMO_ACCOUNT_NOT_FOUND' } })
  t.match(await ask('GET', '/accounts/one'), { status: 400 })
})

t.test('POST /accounts/transfer moves money, given as a string or a number', async (t) => {
  const { ask } = await demo(t)
  const { status, body } = await ask('POST', '/accounts/transfer', { from: 1, to: 2, amount: '0.10' })
  t.equal(status, 200)
  t.same(body, { from: { id: 1, user_id: 1, balance: '99.90' }, to: { id: 2, user_id: 2, balance: '100.10' } })
  t.match(await ask('POST', '/accounts/transfer', { from: 2, to: 1, amount: 0.2 }), { body: { from: { balance: '99.90' }, to: { balance: '100.10' } } })
  t.match(await ask('POST', '/accounts/transfer', { from: 1, to: 2, amount: '100.10' }), { body: { from: { balance: '0.00' } } }, 'to the last cent')
})

t.test('a transfer that is refused moves nothing', async (t) => {
  const { ask, observer } = await demo(t)
  const transfer = (from: unknown, to: unknown, amount: unknown) => ask('POST', '/accounts/transfer', { from, to, amount })
  t.match(await transfer(1, 2, '100.01'), { status: 422, body: { code: 'DEMO_INSUFFICIENT_FUNDS' } })
  t.match(await transfer(1, NOBODY, 1), { status: 404, body: { code: 'DEMO_ACCOUNT_NOT_FOUND' } })
  t.match(await transfer(NOBODY, 1, 1), { status: 404, body: { code: 'DEMO_ACCOUNT_NOT_FOUND' } })
  t.match(await transfer(1, 1, 1), { status: 400, body: { code: 'DEMO_SAME_ACCOUNT' } })
  for (const amount of [0, '0.00', -1, '-1', '1.005', 0.1 + 0.2, '', ' 1', '1e2', 1e21, '12345678901', true, null, {}, 'NaN']) {
    t.match(await transfer(1, 2, amount), { status: 400, body: { code: 'FST_ERR_VALIDATION' } }, JSON.stringify(amount))
  }
  t.match(await ask('POST', '/accounts/transfer', { from: 1, to: 2 }), { status: 400 })
  await observer.rows('UPDATE accounts SET balance = 9999999999.99 WHERE id = 3')
  t.match(await transfer(1, 3, 1), { status: 400, body: { code: 'DEMO_BAD_VALUE' } }, 'more than an account can hold')
  t.same(await observer.rows('SELECT id, balance FROM accounts ORDER BY id'), [
    { id: 1, balance: '100.00' }, { id: 2, balance: '100.00' }, { id: 3, balance: '9999999999.99' },
  ])
})

t.test('many transfers at once, in all directions, conserve the money and never deadlock', async (t) => {
  const { ask, observer } = await demo(t, 8)
  const expected = [0, 10_000, 10_000, 10_000]
  const transfers = Array.from({ length: 300 }, async (_, index) => {
    const { from, to } = DIRECTIONS[index % DIRECTIONS.length] ?? { from: 1, to: 2 }
    const cents = index * 37 % 8000 + 1
    const { status } = await ask('POST', '/accounts/transfer', { from, to, amount: (cents / 100).toFixed(2) })
    if (status === 200) {
      expected[from] = (expected[from] ?? 0) - cents
      expected[to] = (expected[to] ?? 0) + cents
    }
    return status
  })
  const statuses = await Promise.all(transfers)
  t.same(statuses.filter((status) => status !== 200 && status !== 422), [])
  t.ok(statuses.includes(200) && statuses.includes(422), 'some were paid, and some were not')
  t.same(await observer.rows('SELECT balance FROM accounts ORDER BY id'), expected.slice(1).map((cents) => ({ balance: (cents / 100).toFixed(2) })))
  t.same(await observer.rows('SELECT sum(balance) FROM accounts'), [{ sum: '300.00' }])
})

t.test('opposite transfers between two accounts do not deadlock', async (t) => {
  const { ask, observer } = await demo(t, 8)
  const statuses = await Promise.all(Array.from({ length: 100 }, async (_, index) => {
    const [from, to] = index % 2 === 0 ? [1, 2] : [2, 1]
    return (await ask('POST', '/accounts/transfer', { from, to, amount: '0.01' })).status
  }))
  t.ok(statuses.every((status) => status === 200))
  t.same(await observer.rows('SELECT balance FROM accounts ORDER BY id LIMIT 2'), [{ balance: '100.00' }, { balance: '100.00' }])
})

t.test('an error that is nobody’s fault is a 500', async (t) => {
  const { ask, observer } = await demo(t)
  await observer.rows('ALTER TABLE users RENAME TO people')
  t.match(await ask('GET', '/users'), { status: 500, body: { code: '42P01', error: 'Internal Server Error' } })
  t.match(await ask('POST', '/users', { name: 'New', email: 'new@example.com' }), { status: 500 })
})

t.test('the health route shows the pool of the demo', async (t) => {
  const { ask } = await demo(t, 4)
  t.match(await ask('GET', '/api/health'), { status: 200, body: { status: 'healthy', database: { pool_size: 1, min_size: 1, max_size: 4 } } })
})

/** What the demo prints to try: the requests that curl would make. */
function printedRequests (): Array<{ method: Method, url: string, payload?: object }> {
  return [...welcome('http://demo').matchAll(/^ {2}curl http:\/\/demo(\S+)(?: -X (\w+))?(?: -H 'content-type: application\/json' -d '([^']+)')?$/gm)]
    .map(([, url = '', method = '', body]) => body === undefined
      ? { method: (method || 'GET') as Method, url }
      : { method: (method || 'POST') as Method, url, payload: JSON.parse(body) })
}

t.test('GET / lists the routes; for each there is a printed request, and those work one after the other', async (t) => {
  const { ask } = await demo(t)
  const { status, body: { routes } } = await ask('GET', '/')
  t.equal(status, 200)
  const listed: string[] = routes.map(({ method, path }: { method: string, path: string }) => `${method} ${path}`)
  const own = ['GET /', 'GET /api/health', 'GET /api/health/live']
  const users = ['GET /users', 'GET /users/:id', 'POST /users', 'POST /users/batch', 'PATCH /users/:id', 'DELETE /users/:id']
  t.strictSame(listed, [...own, ...users, 'GET /accounts', 'GET /accounts/:id', 'POST /accounts/transfer'])
  t.ok(routes.every(({ summary }: { summary: string }) => summary !== ''), 'each says what it does')

  const requests = printedRequests()
  t.equal(requests.length, welcome('').match(/curl/g)?.length)
  const printed = requests.map(({ method, url }) => `${method} ${url.replace(/\/\d+$/, '/:id')}`)
  t.strictSame([...printed].sort(), [...listed].sort())
  for (const { method, url, payload } of requests) {
    const { status } = await ask(method, url, payload)
    t.equal(status, method === 'DELETE' ? 204 : method === 'POST' && url !== '/accounts/transfer' ? 201 : 200, `${method} ${url}`)
  }
})

t.test('every answer ends with a newline, and HEAD has the length of what GET answers', async (t) => {
  const { app } = await demo(t)
  const wrong = [{ method: 'GET', url: '/nothing' }, { method: 'GET', url: '/users/none' }, { method: 'GET', url: '/users/99' }, { method: 'POST', url: '/users', payload: {} }] as const
  for (const request of [...printedRequests(), ...wrong]) {
    const { statusCode, body, headers } = await app.inject(request)
    if (statusCode === 204) continue
    t.match(body, /[^\n]\n$/, `${request.method} ${request.url}`)
    t.equal(Number(headers['content-length']), Buffer.byteLength(body))
    if (request.method === 'GET' && statusCode === 200 && !request.url.includes('health')) t.equal((await app.inject({ method: 'HEAD', url: request.url })).headers['content-length'], headers['content-length'])
  }
})
