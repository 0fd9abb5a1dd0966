import { classify, type Traits } from '../sql/classify.js'
import { Latency } from './latency.js'

/** What is known of one text: kept per text, so that nothing of it is worked out per call. */
export interface Statement extends Traits {
  readonly text: string
  /** The text as the driver takes it. */
  readonly strings: readonly [string]
  /** How often it was run through this pool. */
  uses: number
  readonly latency: Latency
}

function describe (text: string): Statement {
  return {
    text,
    // The driver looks a text up in a plain object, where such as `constructor` are found.
    strings: [text in Object.prototype ? `${text} ` : text],
    uses: 0,
    latency: new Latency(),
    ...classify(text),
  }
}

/** Texts kept per generation: two generations of small objects, so that texts made up at run time do not pile up. */
const GENERATION = 2_000

/** The statements that a pool has seen recently. */
export class StatementCache {
  #young = new Map<string, Statement>()
  #old = new Map<string, Statement>()

  get (text: string): Statement {
    let statement = this.#young.get(text)
    if (statement !== undefined) return statement
    statement = this.#old.get(text) ?? describe(text)
    if (this.#young.size >= GENERATION) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(text, statement)
    return statement
  }
}
