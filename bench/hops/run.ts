// npm run hops -- [--work transaction] [--json] [--most-calls N] [--most-files N]: our own functions that one warm fetchOne enters.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startEmbeddedPostgres } from '../../tools/embedded-postgres/embedded-postgres.js'
import { buildThis } from '../version.js'
import type { Hop, Hops, HopsWork } from './child.js'

const { values: { work, json, 'most-calls': mostCalls, 'most-files': mostFiles } } = parseArgs({
  options: {
    /** `fetchOne`, or `transaction`: one of two statements. */
    work: { type: 'string', default: 'fetchOne' satisfies HopsWork },
    json: { type: 'boolean', default: false },
    /** Fails where there are more. */
    'most-calls': { type: 'string', default: 'Infinity' },
    'most-files': { type: 'string', default: 'Infinity' },
  },
})
if (!['fetchOne', 'transaction'].includes(work)) throw new Error('--work takes fetchOne or transaction')

const [{ entry, remove }, server] = await Promise.all([buildThis(), startEmbeddedPostgres()])
try {
  const child = fork(fileURLToPath(new URL('child.ts', import.meta.url)), [entry, server.url, work], { execArgv: ['--import', 'tsx'] })
  const exit = once(child, 'exit')
  const ended = exit.then(([code]) => { throw new Error(`the measured process has ended (${code})`) })
  ended.catch(() => {})
  const [{ hops, promises }] = await Promise.race([once(child, 'message'), ended]) as [Hops]
  await exit
  const calls = hops.reduce((sum, { count }) => sum + count, 0)
  const files = [...new Set(hops.map(({ file }) => file))].sort()
  if (json) console.log(JSON.stringify({ calls, files: files.length, promises, hops }))
  else console.log(`${files.map((name) => describe(name, hops.filter(({ file }) => file === name))).join('\n')}\n${calls} calls in ${files.length} files, ${promises} promises`)
  if (calls > Number(mostCalls) || files.length > Number(mostFiles)) {
    console.error(`more than ${mostCalls} calls or ${mostFiles} files`)
    process.exitCode = 1
  }
} finally {
  await Promise.all([remove(), server.close()])
}

function describe (file: string, hops: Hop[]): string {
  const names = hops.map(({ name, count }) => count === 1 ? name : `${name} × ${count}`)
  return `${file.replace(/\.js$/, '.ts')}\n    ${names.join(', ')}`
}
