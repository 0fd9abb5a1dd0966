import { type Argument, BindAborted } from './argument.js'
import { Refusal } from '../codecs/encode.js'
import type { DriverAnswer } from './result.js'

/** Who sent a request: told of its outcome once, when the driver is ready for what comes next. */
export interface Sender {
  answered (answer: DriverAnswer, request: Request): void
  failed (error: unknown, request: Request): void
}

interface RequestOptions { readonly prepare: boolean, readonly simple: boolean }

const PREPARED: RequestOptions = { prepare: true, simple: false }
const UNPREPARED: RequestOptions = { prepare: false, simple: false }
const SIMPLE: RequestOptions = { prepare: false, simple: true }

export interface RequestKind {
  prepare?: boolean
  /** By the simple protocol, which takes a script. */
  simple?: boolean
  /** Rows as arrays. */
  values?: boolean
  /** Asks for the types only; nothing is run. */
  describe?: boolean
}

/** A statement with its arguments, and how it is run. */
export interface RequestedStatement {
  readonly strings: readonly [string]
  readonly args: ReadonlyArray<Argument | null>
  readonly kind: RequestKind
}

/**
 * One statement as the driver's connection takes it. It stands in for the driver's own Query, a promise with four
 * closures, which is sent one turn of the microtask queue after it was asked for, and whose outcome arrives later still.
 * The driver also remembers an Error for each text of a Query that ever failed.
 */
export class Request {
  // What the driver reads.
  readonly strings: readonly [string]
  readonly args: ReadonlyArray<Argument | null>
  readonly options: RequestOptions
  readonly isRaw: 'values' | false
  readonly onlyDescribe: boolean
  readonly tagged = false
  // What the driver writes, named here so that all requests have one shape.
  active = false
  cancelled: unknown = null
  prepare = false
  string = ''
  signature: string | false = ''
  parameters: unknown[] | undefined = undefined
  prepared = false
  describeFirst: boolean | number = false
  /** Holds the types that the server named for the parameters; zeros until it did. Null until it was sent. */
  statement: { types: number[] } | null = null
  readonly #sender: Sender
  readonly #onSending: (() => void) | undefined
  #described = false
  #refusal: { readonly error: unknown } | undefined
  #done = false

  /** `onSending` is called when the driver is about to write it, which may be later than it was handed over. */
  constructor ({ strings, args, kind }: RequestedStatement, sender: Sender, onSending?: () => void) {
    this.strings = strings
    this.args = args
    this.options = kind.simple === true ? SIMPLE : kind.prepare === true ? PREPARED : UNPREPARED
    this.isRaw = kind.values === true ? 'values' : false
    this.onlyDescribe = kind.describe === true
    this.#sender = sender
    this.#onSending = onSending
  }

  /** The first thing that the driver writes down of a request, right before its bytes. */
  set state (_: unknown) { this.#onSending?.() }
  get state (): unknown { return undefined }

  /**
   * The driver is about to repeat by itself what the server called stale. Two at once would get each other's answers,
   * so our side does it: the driver takes no request that is cancelled.
   */
  set retried (error: unknown) {
    this.cancelled = true
    this.reject(error)
  }

  get retried (): unknown { return undefined }

  /** Where it came from: nobody asks. */
  get origin (): string { return '' }

  /** The driver answers a description twice: when it has it, and when it is ready for what comes next. */
  resolve (answer: DriverAnswer): void {
    if (this.onlyDescribe && !this.#described) {
      this.#described = true
      return
    }
    if (this.#refusal !== undefined) return this.reject(this.#refusal.error)
    if (this.#done) return
    this.#done = true
    this.#sender.answered(answer, this)
  }

  reject (error: unknown): void {
    // Thrown while the driver binds: the server has yet to say that it is ready for what comes next.
    if (this.#refusal === undefined && (error instanceof BindAborted || error instanceof Refusal)) {
      this.#refusal = { error }
      return
    }
    if (this.#done) return
    this.#done = true
    this.#sender.failed(error, this)
  }
}
