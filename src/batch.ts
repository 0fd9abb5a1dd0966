import type { Channel } from './channel.js'
import type { DriverResult } from './driver.js'
import { QueryError } from './errors.js'
import type { Call } from './query.js'

/** Lists of arguments, one for each execution. */
export type ArgumentLists = Iterable<readonly unknown[]> | AsyncIterable<readonly unknown[]>

/** One statement for many lists of arguments. */
export interface Batch {
  readonly call: Call
  readonly argsList: ArgumentLists
  /** Told of each execution's result, in order. */
  readonly onResult: (result: DriverResult) => void
}

/** Executions sent together: enough to fill the network, few enough to bound memory. */
const CHUNK = 500

/**
 * Runs a batch on a connection that is in a transaction. The first execution is awaited, because it prepares the
 * statement; the rest is sent in chunks. The first error is the one that counts, and the transaction's end undoes all.
 */
export async function runBatch (channel: Channel, { call, argsList, onResult }: Batch): Promise<void> {
  const pipelined = channel.pool.config.prepare && call.options.prepare !== false
  let row = 0
  let chunk: Array<readonly unknown[]> = []
  const send = async (): Promise<void> => {
    const lists = chunk
    chunk = []
    if (lists.length === 0) return
    for (const result of await channel.runPrepared(call, lists, row)) onResult(result)
    row += lists.length
  }
  for await (const args of iterate(argsList)) {
    if (!Array.isArray(args)) throw new QueryError(`row ${row + chunk.length} of the argument lists is not an array: pass one array of arguments for each execution`)
    if (row === 0 || !pipelined || !channel.connection.isPrepared(call.statement.text)) {
      onResult(await channel.run({ ...call, args, row, options: pipelined ? { ...call.options, prepare: true } : call.options }))
      row++
    } else if (chunk.push(args) === CHUNK) await send()
  }
  await send()
}

function iterate (argsList: ArgumentLists): ArgumentLists {
  if (typeof argsList === 'object' && argsList !== null && (Symbol.iterator in argsList || Symbol.asyncIterator in argsList)) return argsList
  throw new QueryError('the argument lists are not iterable: pass an array of arrays, or any iterable or async iterable of arrays')
}
