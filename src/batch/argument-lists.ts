import { readGiven } from '../config/read-given.js'
import { QueryError } from '../errors/errors.js'

/** Lists of arguments, one for each execution. */
export type ArgumentLists = Iterable<readonly unknown[]> | AsyncIterable<readonly unknown[]>

/** Some of them. */
export type Lists = ReadonlyArray<readonly unknown[]>

/** Lists taken together: enough that the server's fixed part of a statement is small, few enough to bound memory. */
const MOST_LISTS = 10_000
/** The same of an async source, which may hang: the sooner a list is sent, the sooner it is known to be bad. */
const MOST_LISTS_ASYNC = 5_000
/** About as many characters at most, unless one list alone has more. */
const MOST_CHARACTERS = 1_000_000

/** Why an async source need not be waited for any longer: the call was aborted, its connection is gone, or a list failed. */
export class Interruption {
  #error: { cause: unknown } | undefined
  /** Of the caller that waits now. */
  #reject: ((cause: unknown) => void) | undefined

  get raised (): boolean { return this.#error !== undefined }

  /** From now on a caller that waits gets this error, which is returned. */
  raise (cause: unknown): unknown {
    this.#error ??= { cause }
    this.#reject?.(cause)
    return cause
  }

  /** The outcome of `work`, unless the interruption comes first. Only one can be waited for at a time. */
  wait<T> (work: PromiseLike<T> | T): Promise<T> {
    // Not Promise.race, which would add a handler to one and the same promise for each of a million lists.
    return new Promise((resolve, reject) => {
      Promise.resolve(work).then(resolve, reject)
      this.#reject = reject
      if (this.#error !== undefined) reject(this.#error.cause)
    })
  }
}

/** Raises `QueryError` for what cannot be read list by list, before it costs a connection. */
export function checkArgumentLists (argsList: ArgumentLists): void {
  const isIterable = (): boolean => Symbol.iterator in argsList || Symbol.asyncIterator in argsList
  if (typeof argsList !== 'object' || argsList === null || !readGiven('argument lists', isIterable)) {
    throw new QueryError('the argument lists are not iterable: pass an array of arrays, or any iterable or async iterable of arrays')
  }
}

/** Reads the lists and gives them in chunks. Raises `QueryError` for what is no list. */
export async function * inChunks (argsList: ArgumentLists, interruption: Interruption): AsyncGenerator<Lists, void, undefined> {
  const mostLists = Symbol.asyncIterator in argsList ? MOST_LISTS_ASYNC : MOST_LISTS
  let row = 0
  let chunk: Array<readonly unknown[]> = []
  let characters = 0
  const isFull = (args: readonly unknown[]): boolean => {
    if (!isReadable(args)) {
      // The source is told that it is not read any further, and is not waited for.
      throw interruption.raise(
        new QueryError(`row ${row} of the argument lists is not an array: pass one array of arguments for each execution`))
    }
    row++
    chunk.push(args)
    characters += sizeOfList(args)
    return chunk.length >= mostLists || characters >= MOST_CHARACTERS
  }
  const take = (): Lists => {
    const lists = chunk
    chunk = []
    characters = 0
    return lists
  }
  if (Symbol.asyncIterator in argsList) {
    for await (const args of interruptible(argsList, interruption)) {
      if (isFull(args)) yield take()
    }
  } else {
    for (const args of argsList) {
      if (isFull(args)) yield take()
    }
  }
  if (chunk.length > 0) yield take()
}

/** The same lists, without waiting for them for ever. */
async function * interruptible (
  argsList: AsyncIterable<readonly unknown[]>, interruption: Interruption
): AsyncGenerator<readonly unknown[], void, undefined> {
  const iterator = argsList[Symbol.asyncIterator]()
  let running = true
  try {
    for (;;) {
      const step = await interruption.wait(iterator.next())
      if (typeof step !== 'object' || step === null) throw new QueryError('the source of the argument lists gave no iterator result')
      if (step.done === true) {
        running = false
        return
      }
      yield step.value
    }
  } catch (error) {
    running = false
    // It hangs: it is told, but what it says to that is not waited for either.
    if (interruption.raised) Promise.resolve().then(() => iterator.return?.()).catch(() => {})
    throw error
  } finally {
    if (running) await interruption.wait(iterator.return?.())
  }
}

/** The same lists, with something else for what is undefined. */
export function completed (lists: Lists, missing: unknown): Lists {
  return lists.map((list) => {
    try {
      return Array.from(list, (arg) => arg === undefined ? missing : arg)
    } catch {
      return list // a getter that throws: where the value is written, that is said with its row
    }
  })
}

/** Whether a list is an array, and no Proxy that throws. */
export function isReadable (args: unknown): args is readonly unknown[] {
  try {
    return Array.isArray(args) && args.length >= 0
  } catch {
    return false
  }
}

/** About how many characters the arguments of a list are on the wire. */
function sizeOfList (args: readonly unknown[]): number {
  let size = 2
  try {
    for (let index = 0; index < args.length; index++) {
      const value = args[index]
      size += 4 + (typeof value === 'string' ? value.length : typeof value === 'number' ? NUMBER : sizeOf(value, 1))
    }
  } catch {
    // A getter or a Proxy that throws: where the value is written, that is said with its row.
  }
  return size
}

const NUMBER = 8

/** The same of a value, at a depth. */
function sizeOf (value: unknown, depth: number): number {
  if (typeof value === 'string') return value.length
  if (typeof value !== 'object' || value === null) return NUMBER
  // Deeper than values usually are, so that a circular one comes to an end.
  if (depth > 4) return 64
  let size = 2
  try {
    if (value instanceof Uint8Array) return 2 * value.byteLength
    if (Array.isArray(value)) {
      for (const item of value) size += 4 + sizeOf(item, depth + 1)
      return size
    }
    for (const name in value) size += name.length + 4 + sizeOf(Reflect.get(value, name), depth + 1)
  } catch {
    // As above.
  }
  return size
}
