import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { countHops, totalOf } from '../hops/count.js'
import type { Child } from './child.js'

/** Our own functions that one warm call enters, in a new process each time. */
export function startHops (folder: string, url: string): Child {
  let running: ChildProcess | undefined
  return {
    open: async () => {},
    async measure () {
      const { hops } = await countHops(pathToFileURL(join(folder, 'src/index.js')).href, url, { started: (child) => { running = child } })
      return totalOf(hops)
    },
    kill: () => { running?.kill('SIGKILL') },
  }
}
