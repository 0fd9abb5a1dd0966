import type { Driver } from '../driver/postgres-js.js'
import type { PreparedStatement } from '../driver/prepared-statement.js'
import type { DriverStatement } from '../driver/request-lane.js'
import { ServerRefusal } from '../driver/server-refusal.js'
import type { Request } from '../driver/request.js'
import type { Statement } from '../query/statement.js'
import type { Session } from './session.js'

/** Prepared statements at most, of which the server keeps about 12 KB each, and characters of their texts. */
const MOST_PREPARED = 256
const MOST_CHARACTERS = 4_000_000

/** A prepared statement. */
export interface Prepared {
  readonly strings: readonly [string]
  /** As the driver has noted it. */
  readonly described: DriverStatement
  /** The types of its parameters. */
  readonly types: readonly number[]
  /** All that an execution needs; undefined until that is asked for, and known. */
  executable: PreparedStatement | undefined
  /** When it was used last, counted in uses of any. */
  usedAt: number
}

/**
 * What is prepared on one connection. It holds for the search_path and the role under which it was described: with another path the same
 * text may mean other tables and types, and goes unprepared; a role has statements of its own, which are kept by their marked texts.
 */
export class PreparedStatements {
  readonly #driver: Driver
  readonly #session: Session
  readonly #held = new Map<string, Prepared>()
  #characters = 0
  #uses = 0
  /** Those that are just being prepared again. */
  readonly #renewals = new Map<string, Promise<void>>()
  /** Those that the server has not any more, although the driver thinks that it has, with how many parameters they have. */
  readonly #gone = new Map<string, number>()

  constructor (driver: Driver, session: Session) {
    this.#driver = driver
    this.#session = session
  }

  /** The text by which a statement of the role is kept, if there is one. */
  #marked (text: string): string { return text + (this.#session.scope ?? '') }

  has (text: string): boolean {
    const { scope } = this.#session
    return scope !== undefined && this.#held.has(scope === '' ? text : text + scope)
  }

  isRenewing (text: string): boolean { return this.#renewals.has(this.#marked(text)) }
  /** Until one is prepared again that just is. Never rejects. */
  renewed (text: string): Promise<void> | undefined { return this.#renewals.get(this.#marked(text))?.catch(() => {}) }
  /** Whether it has to be prepared again before it is run. */
  isGone (text: string): boolean { return this.#gone.size > 0 && this.#session.scope !== undefined && this.#gone.has(this.#marked(text)) }

  /** One that can be run now. */
  get (text: string): Prepared | undefined {
    const { scope } = this.#session
    const prepared = scope === undefined ? undefined : this.#held.get(scope === '' ? text : text + scope)
    if (prepared === undefined) return undefined
    prepared.usedAt = ++this.#uses
    return prepared
  }

  /** Whether a statement should be prepared that is not. Only what the planner plans is: a FETCH has other columns each time. */
  mayPrepare ({ isPlanned, isLong, isVarying, uses }: Statement, wish: boolean | undefined): boolean {
    return (wish === true || (uses > 1 && !isLong)) && isPlanned && !isVarying && this.#session.scope !== undefined
  }

  /** A text as the driver takes it, to prepare it. */
  stringsOf ({ text, strings }: Statement): readonly [string] {
    const { scope } = this.#session
    return scope === undefined || scope === '' ? strings : [text + scope]
  }

  /** The server has dropped all of them. */
  forgetAll (): void {
    for (const [text, { types }] of this.#held) this.#gone.set(text, types.length)
    this.#held.clear()
    this.#characters = 0
  }

  /** The server says how many it has. With fewer than there should be, somebody has dropped them: which ones is not known. */
  counted (count: number): void { if (count < this.#held.size) this.forgetAll() }

  /** This statement is bound at once from now on, past the driver or by it, so its types must be known here before it is sent again. */
  remember ({ text: plain }: Statement, request: Request): void {
    const { prepare, statement, strings } = request
    if (!prepare || statement === null) return
    const text = this.#marked(plain)
    if (this.#held.has(text) || statement.types.includes(0)) return
    if (request.isDescribed) this.#hold(text, strings, statement)
    else this.#gone.set(text, statement.types.length) // the server refused to describe its columns
  }

  #hold (text: string, strings: readonly [string], described: DriverStatement): void {
    this.#drop(text)
    this.#held.set(text, { strings, described, types: described.types, executable: undefined, usedAt: ++this.#uses })
    this.#characters += text.length
    while (this.#held.size > MOST_PREPARED || (this.#characters > MOST_CHARACTERS && this.#held.size > 1)) {
      const [oldest] = [...this.#held].reduce((a, b) => a[1].usedAt < b[1].usedAt ? a : b)
      this.#forget(oldest)
    }
  }

  /** It is no longer held here. */
  #drop (text: string): void {
    if (this.#held.delete(text)) this.#characters -= text.length
  }

  /**
   * A statement has failed in a transaction, where it cannot be described again, perhaps because its names or types mean something
   * else by now. Whether it was prepared: it is not any more.
   */
  failed (statement: Statement, code: string): boolean {
    const text = this.#marked(statement.text)
    if (!MEANS_OTHERS.test(code) || !this.#held.has(text)) return false
    statement.isVarying ||= VARIES.test(code)
    this.#forget(text)
    return true
  }

  /** Sees to it that a statement is not met again, here or on the server. */
  #forget (text: string): void {
    const prepared = this.#held.get(text)
    if (prepared === undefined) return
    this.#drop(text)
    this.#driver.forget(prepared.strings, prepared.types.length)
  }

  /** Has one that is gone prepared again. As many parameters as a call gives may be wrong: the driver would take it for another one. */
  restore (statement: Statement, subject: object): Promise<void> {
    return this.renew(statement, this.#gone.get(this.#marked(statement.text)) ?? 0, subject)
  }

  /** Has a stale statement prepared again: once, however many calls have found out. If it fails, it is tried again before the next use. */
  renew (statement: Statement, parameters: number, subject: object): Promise<void> {
    const [text, strings] = [this.#marked(statement.text), this.stringsOf(statement)]
    const renewal = this.#renewals.get(text) ?? this.#driver.describeStatement(strings, parameters, true, subject)
      .then((described) => {
        this.#gone.delete(text)
        this.#hold(text, strings, described)
      }, (error) => {
        this.#gone.set(text, parameters) // whatever the server has of it by now
        throw error
      })
      .finally(() => this.#renewals.delete(text))
    this.#drop(text)
    this.#renewals.set(text, renewal)
    return renewal
  }
}

/** 22: its arguments were written for other types; 26000: it is gone; 42501 is a matter of privileges. */
const MEANS_OTHERS = /^(0A|22|26|42(?!501)|XX000)/
/** Those by which it may mean another thing in each transaction, and not just since a change of the schema. */
const VARIES = /^(42|XX000)/

/** Where the server finds out that a prepared statement is gone, gives other columns than it did, or takes other types. */
const STALE_ROUTINES = new Set<unknown>(['FetchPreparedStatement', 'RevalidateCachedQuery', 'transformAssignedExpr'])

/** Whether the server refused a prepared statement as stale. A function that it calls may raise the same, with a context. */
export function isStale (error: unknown): boolean {
  if (!(error instanceof ServerRefusal)) return false
  const { routine, where } = error.fields
  return STALE_ROUTINES.has(routine) && (where === undefined || /^(unnamed )?portal /.test(where))
}
