import type { TypeRegistry } from '../codecs/type-registry.js'
import type { Log } from '../config/options.js'
import type { Call } from '../query/call.js'

/** Texts that are remembered as warned of: made up ones must not pile up. */
const MOST_TEXTS = 1_000

/**
 * With `debug`: warns of a list that is the one argument of a call, `execute('… VALUES ($1)', [value])`, as `pg` takes its values.
 * Where the parameter is json, jsonb or an array it is stored as a list with one element, and nobody hears of it. Once for each text.
 */
export class WrappedLists {
  readonly #log: Log
  readonly #seen = new Set<string>()

  constructor (log: Log) { this.#log = log }

  /** `types`: of the parameters, as the server named them. */
  ran ({ statement: { text }, args, internal }: Call, types: readonly number[] | undefined, registry: TypeRegistry): void {
    if (args.length !== 1 || internal === true || this.#seen.has(text)) return
    const family = registry.get(types?.[0] ?? 0)?.family
    if ((family !== 'json' && family !== 'array') || !isWrapped(args[0], family)) return
    if (this.#seen.size >= MOST_TEXTS) this.#seen.clear()
    this.#seen.add(text)
    this.#log.warn({ text }, 'the one argument is a list that holds one value, and was sent as such: ' +
      'arguments follow the text one by one, execute(text, value) and not execute(text, [value]); ' +
      'where a list of one is meant, nothing is wrong')
  }
}

/** Whether a value of that type is likely to be meant: for JSON, any; for an array, a list. The value may be a Proxy that throws. */
function isWrapped (value: unknown, family: 'json' | 'array'): boolean {
  try {
    return Array.isArray(value) && value.length === 1 && (family === 'json' || Array.isArray(value[0]))
  } catch {
    return false
  }
}
