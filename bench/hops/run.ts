// npm run hops -- [--work template|transaction|route|request] [--json] [--most-calls N] [--most-files N]: our own functions that one warm fetchOne enters.
import { parseArgs } from 'node:util'
import { startEmbeddedPostgres } from '../../tools/embedded-postgres/embedded-postgres.js'
import { buildThis } from '../version.js'
import { type Hop, isHopsWork } from './child-report.js'
import { countHops, totalOf } from './count.js'

const { values: { work, json, 'most-calls': mostCalls, 'most-files': mostFiles } } = parseArgs({
  options: {
    /** `fetchOne`, `template` (the same as a template), `transaction` (of two statements), `route` or `request`: one request, answered by `app.db` or by `request.db`. */
    work: { type: 'string', default: 'fetchOne' },
    json: { type: 'boolean', default: false },
    /** Fails where there are more. */
    'most-calls': { type: 'string', default: 'Infinity' },
    'most-files': { type: 'string', default: 'Infinity' },
  },
})
if (!isHopsWork(work)) throw new Error('--work takes fetchOne, template, transaction, route or request')

const [{ entry, remove }, server] = await Promise.all([buildThis(), startEmbeddedPostgres()])
try {
  const { hops, promises } = await countHops(entry, server.url, { work })
  const { calls, files } = totalOf(hops)
  const names = [...new Set(hops.map(({ file }) => file))].sort()
  const lines = names.map((name) => describe(name, hops.filter(({ file }) => file === name)))
  if (json) console.log(JSON.stringify({ calls, files, promises, hops }))
  else console.log(`${lines.join('\n')}\n${calls} calls in ${files} files, ${promises} promises`)
  if (calls > Number(mostCalls) || files > Number(mostFiles)) {
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
