// One contender in a process of its own; processes/node.ts is its other end.
import { once } from 'node:events'
import type { Measured, Work } from '../work.js'
import { carryOut } from '../workloads.js'
import { contenders, isNodeContender } from './all.js'
import type { Contender } from './contender.js'

export type Command = { name: 'open' } | Work
export type Reply = { measured: Measured } | { error: string }

const { BENCH_CONTENDER: name = '', BENCH_URL: url } = process.env
if (!isNodeContender(name) || url === undefined) throw new Error('processes/node.ts starts this file')
const { create, connections } = contenders[name]

function createAnother (number: number = connections): Contender {
  return create(url ?? '', `bench another ${name}`, number)
}

let contender: Contender | undefined

async function obey (command: Command): Promise<Measured> {
  contender ??= create(url ?? '', `bench ${name}`, connections)
  if (command.name !== 'open') return await carryOut(command, contender, createAnother)
  await contender.open()
  return {}
}

function reply (answer: Reply): void { process.send?.(answer) }

process.on('message', (command: Command) => {
  obey(command).then((measured) => reply({ measured }), (error) => reply({ error: String(error?.stack ?? error) }))
})
await once(process, 'disconnect')
process.exit()
