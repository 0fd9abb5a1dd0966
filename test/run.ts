import { spawn } from 'node:child_process'
import { startEmbeddedPostgres } from '../examples/embedded/postgres.js'

/** `npm test`: one PostgreSQL for all test files, each with a database of its own on it; then tap. */
const server = await startEmbeddedPostgres({ settings: { max_connections: 500 } })
const tap = spawn(process.execPath, ['node_modules/tap/dist/esm/run.mjs', ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: { ...process.env, TEST_DATABASE_URL: server.url, TZ: process.env['TZ'] ?? 'UTC' },
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => tap.kill(signal))
const code = await new Promise<number>((resolve) => tap.once('exit', (code) => resolve(code ?? 1)))
await server.close()
process.exitCode = code
