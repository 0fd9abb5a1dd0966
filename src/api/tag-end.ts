import { QueryError } from '../errors/errors.js'

/** The end of a tag of its own: what is under way is awaited, and what comes later is refused. Its pool goes on. */
export class TagEnd {
  #isEnded = false
  #underWay = 0
  #resolve: (() => void) | undefined
  #over: Promise<void> | undefined
  readonly #done = (): void => { if (--this.#underWay === 0) this.#resolve?.() }

  /** Does something of the tag. Rejects with `QueryError` after its end. */
  before<T> (work: () => Promise<T>): Promise<T> {
    if (this.#isEnded) return Promise.reject(new QueryError('this tag has ended: make another one, by db.createSql()'))
    this.#underWay++
    const outcome = work()
    outcome.then(this.#done, this.#done)
    return outcome
  }

  /** Resolves when all that was begun is done. */
  end (): Promise<void> {
    this.#isEnded = true
    this.#over ??= this.#underWay === 0 ? Promise.resolve() : new Promise((resolve) => { this.#resolve = resolve })
    return this.#over
  }
}
