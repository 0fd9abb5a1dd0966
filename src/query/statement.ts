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
}

function describe (text: string, standardStrings: boolean): Statement {
  return {
    text,
    // The driver looks a text up in a plain object, where such as `constructor` are found.
    strings: [text in Object.prototype ? `${text} ` : text],
    uses: 0,
    isVarying: false,
    latency: new Latency(),
    ...classify(text, standardStrings),
  }
}

/** Texts kept per generation: two generations of small objects, so that texts made up at run time do not pile up. */
const GENERATION = 2_000

/** Where a text is looked up. */
export interface StatementSource { get (text: string): Statement }

/** The statements that a pool has seen recently. */
export class StatementCache {
  #young = new Map<string, Statement>()
  #old = new Map<string, Statement>()

  /** `standardStrings`: the session's `standard_conforming_strings`; where it is off, a text may mean something else. */
  get (text: string, standardStrings = true): Statement {
    const key = standardStrings || !text.includes('\\') ? text : `\0${text}`
    let statement = this.#young.get(key)
    if (statement !== undefined) return statement
    statement = this.#old.get(key) ?? describe(text, standardStrings)
    if (this.#young.size >= GENERATION) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(key, statement)
    return statement
  }
}
