import { once } from 'node:events'
import type { Measured, Work } from '../work.js'
import { carryOut } from '../workloads.js'
import type { Contender } from './contender.js'

export type Command = { name: 'open' } | Work
export type Reply = { measured: Measured } | { error: string }

/** Does what the parent process asks for with what `create` makes, until the parent is gone. */
export async function serve (create: () => Contender | Promise<Contender>, createAnother: (connections?: number) => Contender | Promise<Contender>): Promise<never> {
  let contender: Contender | undefined

  async function obey (command: Command): Promise<Measured> {
    contender ??= await create()
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
}
