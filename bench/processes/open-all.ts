import type { Case, Side } from '../case.js'
import type { Referee } from '../referee.js'
import { processOf } from '../rounds.js'
import type { Child } from './child.js'
import { isOptional } from './start.js'

/** Processes that start at the same time: all of them at once would keep each other from connecting in time. */
const AT_ONCE = 3

type Start = (side: Side) => Promise<{ child: Child, connections: number }>

/**
 * Starts the processes, into `children`, and sees to it that all their connections are open. What is no part of this repository may fail to
 * run: returns those contenders, and why.
 */
export async function openAll (cases: readonly Case[], children: Map<string, Child>, start: Start, referee: Referee): Promise<Map<string, string>> {
  const failed = new Map<string, string>()
  const expected = new Map<string, { open: number, encrypted: number }>()
  async function open (key: string, side: Side): Promise<void> {
    const { child, connections } = await start(side)
    children.set(key, child)
    await child.open()
    const { open, encrypted } = expected.get(side.contender) ?? { open: 0, encrypted: 0 }
    expected.set(side.contender, { open: open + connections, encrypted: encrypted + (side.network === 'tls' ? connections : 0) })
  }

  const waiting = [...new Map(cases.flatMap(({ sides }) => sides.map((side) => [processOf(side), side])))]
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [key, side] = next
      await open(key, side).catch((error) => {
        if (!isOptional(side.contender)) throw error
        failed.set(side.contender, String(error).split('\n')[0] ?? '')
      })
    }
  }))

  for (const [name, { open, encrypted }] of expected) {
    if (failed.has(name)) continue
    const found = await referee.connections(`bench ${name}`)
    if (found.open === open && found.encrypted === encrypted) continue
    throw new Error(`${name} has ${found.open} connections open, ${found.encrypted} of them encrypted, not ${open} and ${encrypted}`)
  }
  return failed
}
