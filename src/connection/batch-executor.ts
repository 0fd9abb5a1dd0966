import { writeTexts } from '../driver/argument.js'
import { isNoteworthy } from '../driver/command-tags.js'
import type { ExecutionsResult } from '../driver/execute-many.js'
import type { Driver } from '../driver/postgres-js.js'
import type { Preamble } from '../driver/preamble.js'
import type { Parameter } from '../protocol/message-writer.js'
import type { Call } from '../query/call.js'
import type { FailedList } from './error-translation.js'
import { type SettleListener, TaskExecution } from './execution.js'
import type { Executor } from './executor.js'
import type { PreparedStatements } from './prepared-statements.js'
import type { Session } from './session.js'
import { noteChanges, noteSending } from './session-changes.js'

/** A statement for many lists of arguments, of which the first is number `firstRow` of the batch. */
export interface Executions {
  readonly call: Call
  /** The types that its parameters have. */
  readonly types: readonly number[]
  readonly lists: ReadonlyArray<readonly unknown[]>
  readonly firstRow: number
}

/** A statement that is only described, with statements of ours in front of it and behind it. */
export interface Description {
  readonly call: Call
  readonly before: Preamble | undefined
  readonly after: Preamble | undefined
}

/** A chunk of argument lists that goes in parts: what is written of one is asked for when it is sent. */
export interface Parts {
  readonly call: Call
  readonly parts: number
  readonly parametersOf: (part: number) => readonly Parameter[]
  /** Statements of ours in front. */
  readonly before: Preamble | undefined
}

interface Work {
  readonly call: Call
  readonly types: readonly number[] | undefined
  readonly executions: number
  readonly parametersOf: (index: number) => readonly Parameter[]
  readonly oneByOne: boolean
  readonly listOf: (index: number) => FailedList | undefined
  readonly before: Preamble | undefined
}

interface Task<R> {
  work (): Promise<R>
  succeed (result: R): void
  /** What the caller learns of the driver's error. */
  translate (error: unknown): unknown
}

/** Runs batches on one driver, with nothing else in flight: only in a transaction, which undoes everything after an error. */
export class BatchExecutor {
  readonly #executor: Executor
  readonly #driver: Driver
  readonly #session: Session
  readonly #prepared: PreparedStatements

  constructor (executor: Executor, driver: Driver, session: Session, prepared: PreparedStatements) {
    this.#executor = executor
    this.#prepared = prepared
    this.#driver = driver
    this.#session = session
  }

  /** The types of a statement's parameters, by a description of its own: what is prepared may be stale. */
  describe ({ call, before, after }: Description, listener: SettleListener): Promise<readonly number[]> {
    return new Promise((resolve, reject) => {
      const execution = new TaskExecution(call, resolve, reject, listener)
      this.#perform(execution, {
        work: async () => {
          const { text } = call.statement
          const description = { text, before, after, executions: 0, parametersOf: () => [], subject: execution }
          const { types, columns } = await this.#driver.execute(description)
          const unknown = [...types, ...columns.map(({ type }) => type)].filter((oid) => this.#driver.types.registry.get(oid) === undefined)
          return { types, unknown }
        },
        succeed: ({ types, unknown }) => {
          const done = (): void => this.#succeed(execution, types)
          if (unknown.length === 0) done()
          else this.#executor.after(execution, this.#executor.learn(execution, unknown), done)
        },
        translate: (error) => this.#executor.translate(execution, error),
      })
    })
  }

  /** Runs a statement once for each list. Rejects with the error of the first list that fails, here or on the server. */
  run ({ call, types, lists, firstRow }: Executions, listener: SettleListener): Promise<ExecutionsResult> {
    const { statement, options: { timeout } } = call
    return this.#execute({
      call,
      types,
      executions: lists.length,
      parametersOf: (index) => {
        const known = this.#driver.types.registry.for(call.conversion)
        return writeTexts(lists[index] ?? [], { statement, types, known, row: firstRow + index })
      },
      before: undefined,
      oneByOne: this.#session.timeout.isLeftToClock(timeout),
      listOf: (index) => ({ row: firstRow + index, args: lists[index] }),
    }, listener)
  }

  /** Runs a statement once for each part of a chunk. */
  runParts ({ call, parts, parametersOf, before }: Parts, listener?: SettleListener): Promise<ExecutionsResult> {
    const work = { call, types: undefined, executions: parts, parametersOf, before, oneByOne: true, listOf: () => undefined }
    return this.#execute(work, listener)
  }

  #execute (work: Work, listener?: SettleListener): Promise<ExecutionsResult> {
    const { call, types, executions, parametersOf, before, oneByOne, listOf } = work
    return new Promise((resolve, reject) => {
      const execution = new TaskExecution(call, resolve, reject, listener)
      let refused = 0
      const tags: string[] = []
      noteSending(call, this.#session)
      this.#executor.uses++ // and not of each execution: a new connection after every fifth batch would begin with cold caches
      this.#perform(execution, {
        work: () => this.#driver.execute({
          subject: execution,
          text: call.statement.text,
          conversion: call.conversion,
          ...types !== undefined && { types },
          executions,
          parametersOf,
          before,
          onProgress: () => execution.progress(),
          onCommand: (tag: string) => {
            if (!isNoteworthy(tag)) return
            tags.push(tag)
            noteChanges(execution, tags, this.#session, this.#prepared)
          },
          oneByOne,
          onRefused: (index: number) => { refused = index },
        }),
        succeed: (result) => {
          const objection = execution.objection({ status: result.status, tags })
          if (objection === undefined) this.#succeed(execution, result)
          else this.#executor.end(execution, objection)
        },
        translate: (error) => this.#executor.translate(execution, error, types, listOf(refused)),
      })
    })
  }

  /** Does something in a call's turn, once the session has the statement_timeout that it needs. */
  #perform<T, R> (execution: TaskExecution<T>, { work, succeed, translate }: Task<R>): void {
    const executor = this.#executor
    if (!executor.admit(execution)) return
    const start = (): void => { work().then(succeed, (error) => executor.end(execution, translate(error))) }
    if (this.#session.timeout.isSetFor(execution.call.options.timeout)) start()
    else executor.after(execution, executor.adjustTimeout(execution), start)
  }

  #succeed<T> (execution: TaskExecution<T>, result: T): void {
    this.#executor.leave(execution)
    execution.succeed(result)
  }
}
