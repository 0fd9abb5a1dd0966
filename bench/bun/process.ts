// Bun.sql in a process of Bun's; processes/node.ts is its other end.
import { SQL } from 'bun'
import type { Contender } from '../contenders/contender.js'
import { serve } from '../contenders/serve.js'
import { byTag } from '../contenders/tagged.js'

const CONNECTIONS = 10

const { BENCH_URL: url } = process.env
if (url === undefined) throw new Error('processes/node.ts starts this file')

/** The native client of another runtime, as its manual shows it. */
function bunSql (url: string, applicationName: string, max: number): Contender {
  return byTag(new SQL({ url, max, connection: { application_name: applicationName } }), max)
}

await serve(() => bunSql(url, 'bench Bun.sql', CONNECTIONS), (connections = CONNECTIONS) => bunSql(url, 'bench another Bun.sql', connections))
