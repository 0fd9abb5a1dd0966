import { QueryError } from '../errors/errors.js'

/** How names and missing values are written. */
export interface Naming {
  /** The name of a column here → that on the server. */
  readonly columnTo: ((name: string) => string) | undefined
  /** What is sent instead of undefined; undefined: nothing is. */
  readonly missing: unknown
}

/** The text and the arguments of a statement while it is put together. */
export interface TemplateWriter {
  /** What is written so far. */
  readonly text: string
  readonly naming: Naming | undefined
  /** Writes text of the program's own. */
  append (text: string): void
  /** Writes the next argument, whatever it is. `hasType`: its type is not to be inferred. */
  addValue (value: unknown, hasType?: boolean): void
  /** Writes a value as the next argument, and a fragment, a name or a helper as what it stands for. */
  add (value: unknown): void
}

export const WRITE = Symbol('write')

/**
 * What stands in a template and is no value: a fragment, a name, rows. Known by a private field, which nothing has that came from a
 * request: no JSON is taken for SQL.
 */
export abstract class SqlPart {
  readonly #isPart = true

  static is (value: unknown): value is SqlPart { return typeof value === 'object' && value !== null && #isPart in value }

  /** Whether it is a text of its own, of which a list may be given. */
  get isFragment (): boolean { return false }

  /** Writes it. Raises `QueryError` where it has no meaning. */
  abstract [WRITE] (writer: TemplateWriter): void

  /** As a value it would be part of some JSON. */
  toJSON (): never { throw new QueryError('a part of a template is no value: it stands in a template itself') }
}
