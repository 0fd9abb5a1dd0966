import { classify, type Traits } from '../sql/classify.js'
import { Latency } from './latency.js'

/** What is known of one text: kept per text, so that nothing of it is worked out per call. */
export interface Statement extends Traits {
  readonly text: string
  /** The text as the driver takes it. */
  readonly strings: readonly [string]
  /** How often it was run through this pool. */
  uses: number
  /** Whether it has turned out that its names do not always mean the same. */
  isVarying: boolean
  readonly latency: Latency
  /** The same of calls with a limit. */
  readonly limitedLatency: Latency
  /** Whether its text is too long to be kept: it is prepared only where a call asks for that. */
  readonly isLong: boolean
}

/**
 * Characters of a text that is worth keeping: longer ones are made up, of values or for a migration, and come once. Each of a
 * connection's prepared statements is held several times, by the driver and by the server.
 */
const LONGEST_KEPT = 16_384

function describe (text: string, standardStrings: boolean): Statement {
  return {
    text,
    // The driver looks a text up in a plain object, where such as `constructor` are found.
    strings: [text in Object.prototype ? `${text} ` : text],
    uses: 0,
    isVarying: false,
    latency: new Latency(),
    limitedLatency: new Latency(),
    isLong: text.length > LONGEST_KEPT,
    ...classify(text, standardStrings),
  }
}

/** Texts kept per generation, and their characters: two generations, so that texts made up at run time do not pile up. */
const GENERATION = 2_000
const GENERATION_CHARACTERS = 2_000_000

/** Where a text is looked up. */
export interface StatementSource { get (text: string): Statement }

/** The statements that a pool has seen recently. */
export class StatementCache {
  #young = new Map<string, Statement>()
  #old = new Map<string, Statement>()
  /** In the texts of the young ones. */
  #characters = 0

  /** `standardStrings`: the session's `standard_conforming_strings`; where it is off, a text may mean something else. */
  get (text: string, standardStrings = true): Statement {
    const key = standardStrings || !text.includes('\\') ? text : `\0${text}`
    let statement = this.#young.get(key)
    if (statement !== undefined) return statement
    statement = this.#old.get(key) ?? describe(text, standardStrings)
    if (statement.isLong) return statement
    if (this.#young.size >= GENERATION || this.#characters + text.length > GENERATION_CHARACTERS) {
      this.#old = this.#young
      this.#young = new Map()
      this.#characters = 0
    }
    this.#young.set(key, statement)
    this.#characters += text.length
    return statement
  }
}
