import { unsyncedStatement } from '../protocol/message-writer.js'
import { ServerRefusal } from './server-refusal.js'
import { unexpected } from './turn.js'

/** A statement of ours. With parameters it is a SELECT of one row, which nobody reads. */
export interface OwnStatement {
  readonly text: string
  readonly parameters: readonly string[]
}

/** ParseComplete, BindComplete, CommandComplete; and a DataRow before the last. */
const ANSWERS = [0x31, 0x32, 0x43] as const
const ANSWERS_WITH_ROW = [0x31, 0x32, 0x44, 0x43] as const

/** What statements of ours do to what others mean behind them, up to the end of the transaction. */
export interface Meaning {
  /** Whether names may mean something else. */
  readonly changesPath: boolean
  /** Whose statements they are, where another role is set and nothing else that matters. */
  readonly role: string | undefined
}

const AS_BEFORE: Meaning = { changesPath: false, role: undefined }

/** Statements of ours in front of something, under its Sync: if one is refused, the server skips the rest. */
export class Preamble {
  readonly statements: readonly OwnStatement[]
  readonly meaning: Meaning
  readonly bytes: Buffer
  /** The types of the messages that answer it, in their order. */
  readonly answers: readonly number[]

  constructor (statements: readonly OwnStatement[], meaning = AS_BEFORE) {
    this.statements = statements
    this.meaning = meaning
    this.bytes = Buffer.concat(statements.map(({ text, parameters }) => unsyncedStatement(text, parameters)))
    this.answers = statements.flatMap(({ parameters }) => parameters.length === 0 ? ANSWERS : ANSWERS_WITH_ROW)
  }

  /** There are only so many texts of ours without parameters: each is written once. */
  static of (...texts: readonly string[]): Preamble {
    const key = texts.join(';')
    let preamble = written.get(key)
    if (preamble === undefined) {
      preamble = new Preamble(texts.map((text) => ({ text, parameters: [] })))
      written.set(key, preamble)
    }
    return preamble
  }

  /** Checks an answer, while so many are to come. Raises `ProtocolError`. */
  take (left: number, type: number): void {
    if (type !== this.answers[this.answers.length - left]) throw unexpected(type)
  }
}

const written = new Map<string, Preamble>()

/** The server refused a statement in front: what comes behind was not run. */
export class PreambleRefusal extends ServerRefusal {}
