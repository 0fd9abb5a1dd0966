// One version of the library in a process of its own; compare.ts is its other end.
import { once } from 'node:events'
import { FETCH } from '../statements.js'
import type { Contender } from '../contenders/contender.js'
import type { Command, Reply } from '../contenders/process.js'
import type { Measured } from '../work.js'
import { carryOut } from '../workloads.js'

const CONNECTIONS = 10
const SILENT = { debug () {}, info () {}, warn () {}, error () {} }

const { AGAINST_ENTRY: entry, BENCH_URL: url } = process.env
if (entry === undefined || url === undefined) throw new Error('compare.ts starts this file')
const { createDatabase }: typeof import('../../src/index.js') = await import(entry)
const db = createDatabase({ url, min: CONNECTIONS, max: CONNECTIONS, log: SILENT }, {})
const contender: Contender = { open: () => db.open(), close: () => db.close(), fetch: (id) => db.fetchOne(FETCH, id) }

async function obey (command: Command): Promise<Measured> {
  if (command.name !== 'open') return await carryOut(command, contender, () => contender)
  await contender.open()
  return {}
}

function reply (answer: Reply): void { process.send?.(answer) }

process.on('message', (command: Command) => {
  obey(command).then((measured) => reply({ measured }), (error) => reply({ error: String(error?.stack ?? error) }))
})
await once(process, 'disconnect')
process.exit()
