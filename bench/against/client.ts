// One version of the library in a process of its own; compare.ts is its other end.
import type { Contender } from '../contenders/contender.js'
import { serve } from '../contenders/serve.js'
import { FETCH } from '../statements.js'

const CONNECTIONS = 10
const SILENT = { debug () {}, info () {}, warn () {}, error () {} }

const { AGAINST_ENTRY: entry, BENCH_URL: url } = process.env
if (entry === undefined || url === undefined) throw new Error('compare.ts starts this file')
const { createDatabase }: typeof import('../../src/index.js') = await import(entry)
const db = createDatabase({ url, min: CONNECTIONS, max: CONNECTIONS, log: SILENT }, {})
const contender: Contender = { open: () => db.open(), close: () => db.close(), fetch: (id) => db.fetchOne(FETCH, id) }
await serve(() => contender, () => contender)
