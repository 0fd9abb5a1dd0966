import type { Channel } from './channel.js'
import { QueryError } from './errors.js'
import type { Call } from './query.js'

/** Lists of arguments, one for each execution. */
export type ArgumentLists = Iterable<readonly unknown[]> | AsyncIterable<readonly unknown[]>

/** One statement for many lists of arguments. */
export interface Batch {
  readonly call: Call
  readonly argsList: ArgumentLists
  /** Told of the rows and the count of the executions, in order. */
  readonly onResult: (rows: readonly unknown[], count: number | null) => void
}

const CHUNK = 2000

export async function runBatch (channel: Channel, { call, argsList, onResult }: Batch): Promise<void> {
  let row = 0
  let chunk: Array<readonly unknown[]> = []
  let types: readonly number[] | undefined
  const send = async (): Promise<void> => {
    const lists = chunk
    chunk = []
    if (lists.length === 0) return
    types ??= await channel.describe({ ...call, row: 0 })
    const { rows, count } = await channel.runMany(call, types, lists, row)
    onResult(rows, count)
    row += lists.length
  }
  for await (const args of iterate(argsList)) {
    if (!Array.isArray(args)) throw new QueryError(`row ${row + chunk.length} of the argument lists is not an array: pass one array of arguments for each execution`)
    if (chunk.push(args) === CHUNK) await send()
  }
  await send()
}

function iterate (argsList: ArgumentLists): ArgumentLists {
  if (typeof argsList === 'object' && argsList !== null && (Symbol.iterator in argsList || Symbol.asyncIterator in argsList)) return argsList
  throw new QueryError('the argument lists are not iterable: pass an array of arrays, or any iterable or async iterable of arrays')
}
