import type { Duplex } from 'node:stream'
import type { ServerErrorFields } from './server-error.js'
import { MessageReader, MessageWriter, readColumns, readCount, readError, readParameterTypes, type WireColumn } from './wire.js'

/**
 * One statement, executed once for each list of parameters, with one Sync at the end of all.
 *
 * To the server it is the same as one execution after the other: each takes its snapshot, its triggers fire at its
 * end, `current_query()` and `statement_timestamp()` are its own, and `statement_timeout` starts anew. But the driver
 * ends each execution with a Sync, for which the server has to write to the socket, and makes a query and a promise
 * of each: that is four fifths of the time of a batch. So for as long as a pipeline runs, its messages are written
 * and read here, on the socket of a driver that has nothing in flight. For a connection in a transaction only: what
 * comes after an error is skipped, and what came before has to be undone.
 */
export interface Pipeline {
  readonly text: string
  /** The types that the parameters were written for. Nothing needs them where there are no rows. */
  readonly types?: readonly number[]
  /** The parameters of each execution in their text form. None: the statement is only described. */
  readonly rows: ReadonlyArray<ReadonlyArray<string | null>>
  /** How a column of some type is read. */
  readonly parserOf: (type: number) => ((text: string) => unknown) | undefined
  /** Told that some executions are done. */
  readonly onProgress?: () => void
}

/** The rows of all executions in their order, and the sum of what they affected. */
export interface PipelineResult {
  readonly rows: Array<Record<string, unknown>>
  readonly count: number | null
  readonly types: readonly number[]
  readonly columns: readonly WireColumn[]
}

/** The server refused execution `index`, from 0. */
export class PipelineServerError extends Error {
  readonly fields: ServerErrorFields
  readonly index: number
  constructor (fields: ServerErrorFields, index: number) {
    super('the server refused an execution')
    this.fields = fields
    this.index = index
  }
}

/** The server answered what cannot be: the connection is of no use any more. */
export class ProtocolError extends Error {}

/** The types of the parameters are no longer those that the values were written for. */
export class ChangedTypesError extends Error {}

interface Column extends WireColumn { readonly parse: ((text: string) => unknown) | undefined }

/**
 * Runs a pipeline on an idle driver's socket. Rejects with `PipelineServerError`, `ChangedTypesError` or, where the
 * socket cannot be used any more, with `ProtocolError`. If the connection dies, it does not settle.
 */
export function runPipeline (socket: Duplex, pipeline: Pipeline): Promise<PipelineResult> {
  return new Promise((resolve, reject) => {
    const driver = socket.listeners('data') as Array<(piece: Buffer) => void>
    const rows: Array<Record<string, unknown>> = []
    let columns: Column[] = []
    let done = 0
    let types: readonly number[] = []
    let count: number | null = null
    let failure: Error | undefined

    const finish = (): void => {
      socket.off('data', onData)
      for (const listener of driver) socket.on('data', listener)
      if (failure !== undefined) reject(failure)
      else resolve({ rows, count, types, columns })
    }
    const reader = new MessageReader((type, message) => {
      switch (String.fromCharCode(type)) {
        case '2': // BindComplete
        case '1': // ParseComplete
        case 'n': // NoData
          return
        case 't':
          types = readParameterTypes(message)
          if (pipeline.types !== undefined && !isSame(types, pipeline.types)) failure ??= new ChangedTypesError()
          return
        case 'T':
          columns = readColumns(message).map((column) => ({ ...column, parse: pipeline.parserOf(column.type) }))
          return
        case 'D':
          rows.push(readRow(message, columns))
          return
        case 'C': {
          const affected = readCount(message)
          if (affected !== null) count = (count ?? 0) + affected
          done++
          return
        }
        case 'I': // EmptyQueryResponse
          done++
          return
        case 'E': {
          const fields = readError(message)
          failure ??= new PipelineServerError(fields, done)
          // Nothing comes after this one.
          if (fields.severity === 'FATAL' || fields.severity === 'PANIC') finish()
          return
        }
        case 'Z':
          return finish()
        case 'N': // NoticeResponse
        case 'S': // ParameterStatus
        case 'A': // NotificationResponse
          // They come at any time and are about the session: the driver wants to know.
          for (const listener of driver) listener(message)
          return
        default:
          throw new ProtocolError('unexpected message')
      }
    })
    const onData = (piece: Buffer): void => {
      const before = done
      try {
        reader.read(piece)
      } catch (error) {
        failure = error instanceof ProtocolError ? error : new ProtocolError('unreadable message', { cause: error })
        return finish()
      }
      if (done > before) pipeline.onProgress?.()
    }

    socket.removeAllListeners('data')
    socket.on('data', onData)
    const writer = new MessageWriter((part) => socket.write(part))
    writer.parse(pipeline.text)
    for (const row of pipeline.rows) writer.execute(row)
    writer.sync()
  })
}

function readRow (message: Buffer, columns: readonly Column[]): Record<string, unknown> {
  const row: Record<string, unknown> = {}
  let at = 7
  for (const { name, parse } of columns) {
    const length = message.readInt32BE(at)
    at += 4
    if (length === -1) {
      row[name] = null
      continue
    }
    const text = message.toString('utf8', at, at += length)
    row[name] = parse === undefined ? text : parse(text)
  }
  return row
}

function isSame (a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((type, index) => type === b[index])
}
