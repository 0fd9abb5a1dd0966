import { readFile } from 'node:fs/promises'
import { JsonText } from '../codecs/json-text.js'
import { type Calls, callsTo } from '../errors/callers-stack.js'
import { QueryError } from '../errors/errors.js'
import { rejectUnknown } from '../config/unknown-option.js'
import { readGiven } from '../config/read-given.js'
import type { Naming } from '../sql/sql-part.js'
import { compile, type Compiled, isTemplate, writeTemplate } from '../sql/template.js'
import { SqlHelper, SqlName, TypedValue } from '../sql/template-helpers.js'
import type { SqlPart, TemplateWriter } from '../sql/sql-part.js'
import { PendingQuery, type SqlQuery, type SqlRunner, type SqlSource } from './sql-query.js'
import type { Row, SqlResult } from './results.js'
import type { TagConversion } from './tag-conversion.js'
import { JSONB } from './type-casts.js'
import { arrayOf, type TypedHelper, typedHelper } from './typed-values.js'

/** How a text is run. */
export interface SqlTextOptions {
  /** Whether to prepare the statement: `true` at its first use, `false` never. Without it, from its second use on. */
  prepare?: boolean | undefined
  /** Whether it may be a script of several statements. Default: without arguments. */
  simple?: boolean | undefined
}

/** Where a text is. */
export type SqlFile = string | URL | Buffer

/** How a text of a file is run. */
export interface SqlFileOptions extends SqlTextOptions {
  /** Changes nothing: the file is read each time. */
  cache?: boolean | undefined
}

/** A tag for templates: what `db.sql` is. */
export interface SqlTag {
  /**
   * A query, or a fragment of another one. Each value becomes an argument; a fragment, a list of fragments, a name and a helper become
   * part of the text.
   * @example const users = await db.sql<User[]>`SELECT * FROM users WHERE id = ${id}`
   */
  <T extends readonly unknown[] = Row[]> (template: TemplateStringsArray, ...values: readonly unknown[]): SqlQuery<T>
  /** A name, quoted: a dot stands between a schema, a table and a column.
   * @example await db.sql`SELECT ${db.sql('name')} FROM ${db.sql('app.users')}` */
  (name: string): SqlPart
  /** Names, a row, rows or a list of values: what they become is for the text before them to say.
   * @example await db.sql`INSERT INTO users ${db.sql(users, 'name', 'email')}` */
  (first: string | object, ...columns: ReadonlyArray<string | readonly string[]>): SqlPart
  /** A text with `$1, $2, …` as a query; without arguments it may be a script, and stand in a template as it is: never with what came
   * from outside. */
  unsafe<T extends readonly unknown[] = Row[]> (text: string, args?: readonly unknown[], options?: SqlTextOptions): SqlQuery<T>
  /** The same with the text of a file, which is read when it runs. Rejects with the error of Node where it cannot be read.
   * @example const users = await db.sql.file<User[]>('users-of-city.sql', ['Oslo']) */
  file<T extends readonly unknown[] = Row[]> (path: SqlFile, options?: SqlFileOptions): SqlQuery<T>
  file<T extends readonly unknown[] = Row[]> (path: SqlFile, args: readonly unknown[], options?: SqlFileOptions): SqlQuery<T>
  /** A value as jsonb. */
  json (value: unknown): SqlPart
  /** JSON that is text already: sent as it is, also by the helpers, `db.execute('…', db.sql.jsonText(text))`. */
  jsonText (text: string): JsonText
  /** A list as an array: of the type that the server asks for, or of elements of a built-in type. */
  array (list: readonly unknown[], element?: number): SqlPart
  /** A value as a built-in type, by its OID; `sql.typed.point(value)` for a type of the option `types`. */
  readonly typed: TypedHelper
  /** The same as `typed`. */
  readonly types: TypedHelper
  /** Sends a notification: inside a transaction, when that is committed. */
  notify (channel: string, payload: string): Promise<SqlResult>
  /** Not there: rejects with `QueryError`. */
  listen (...args: readonly unknown[]): Promise<never>
  /** Not there: rejects with `QueryError`. */
  subscribe (...args: readonly unknown[]): Promise<never>
}

class TemplateSource implements SqlSource {
  readonly #strings: TemplateStringsArray
  readonly #values: readonly unknown[]

  constructor (strings: TemplateStringsArray, values: readonly unknown[]) {
    this.#strings = strings
    this.#values = values
  }

  compiled (naming: Naming | undefined): Compiled { return compile(this.#strings, this.#values, naming) }
  write (writer: TemplateWriter): void { writeTemplate(writer, this.#strings, this.#values) }
}

class TextSource implements SqlSource {
  readonly #text: string
  readonly #args: readonly unknown[]

  constructor (text: unknown, args: readonly unknown[]) {
    if (typeof text !== 'string') throw new QueryError('unsafe takes a text: sql.unsafe(text, args?)')
    this.#text = text
    this.#args = args
  }

  compiled (): Compiled { return { text: this.#text, args: this.#args } }

  write (writer: TemplateWriter): void {
    if (this.#args.length > 0) throw new QueryError('a text with arguments is a query, and no fragment: write the values in a template')
    writer.append(this.#text)
  }
}

class FileSource implements SqlSource {
  readonly #path: SqlFile
  readonly #args: readonly unknown[]

  constructor (path: SqlFile, args: readonly unknown[]) {
    this.#path = path
    this.#args = args
  }

  async compiled (): Promise<Compiled> { return { text: await readFile(this.#path, 'utf8'), args: this.#args } }

  write (): void { throw new QueryError('a file is a query, and no fragment: run it by itself') }
}

/** The calls that first led to each template of the program: where its error would name nobody else. */
const origins = new WeakMap<TemplateStringsArray, Calls>()

export interface TagHost extends SqlRunner {
  /** Whether the calls that lead to a query are noted each time. */
  readonly notesCallers: boolean
}

/** The tag whose queries a host runs. */
export function createTag (runner: TagHost, conversion: TagConversion): SqlTag {
  const originOf = (template: TemplateStringsArray): Calls => {
    if (runner.notesCallers) return callsTo(sql)
    const known = origins.get(template) ?? callsTo(sql)
    origins.set(template, known)
    return known
  }
  function sql<T extends readonly unknown[]> (template: TemplateStringsArray, ...values: readonly unknown[]): SqlQuery<T>
  function sql (first: string | object, ...columns: readonly unknown[]): SqlPart
  function sql (first: TemplateStringsArray | string | object, ...rest: readonly unknown[]): SqlQuery | SqlPart {
    if (isTemplate(first)) return new PendingQuery({ source: new TemplateSource(first, rest), runner, conversion, origin: originOf(first) })
    return typeof first === 'string' && rest.length === 0 ? new SqlName(first) : new SqlHelper(first, rest)
  }
  const ofText = <T extends readonly unknown[]>(source: SqlSource, options: TextOptions, origin: Calls | undefined): SqlQuery<T> => {
    const { args, prepare, simple = args.length === 0 } = options
    return new PendingQuery<T>({ source, runner, conversion, origin, prepare: conversion.prepares(prepare), simple })
  }
  function unsafe<T extends readonly unknown[]> (text: string, ...given: readonly unknown[]): SqlQuery<T> {
    const options = readTextOptions('unsafe', given)
    return ofText<T>(new TextSource(text, options.args), options, runner.notesCallers ? callsTo(unsafe) : undefined)
  }
  function file<T extends readonly unknown[]> (path: SqlFile, ...given: readonly unknown[]): SqlQuery<T> {
    const options = readTextOptions('file', given)
    return ofText<T>(new FileSource(path, options.args), options, runner.notesCallers ? callsTo(file) : undefined)
  }

  const typed = typedHelper(conversion)
  return Object.assign(sql, {
    unsafe,
    file,
    json: (value: unknown) => new TypedValue(value, JSONB),
    jsonText: (text: string) => {
      if (typeof text !== 'string') throw new QueryError('jsonText takes a text: sql.jsonText(\'{"a":1}\')')
      return new JsonText(text)
    },
    array: (list: readonly unknown[], element?: number) => arrayOf(list, element),
    typed,
    types: typed,
    notify: async (channel: string, payload: string) => await sql<Row[]>`SELECT pg_catalog.pg_notify(${channel}, ${payload})`,
    listen: async (): Promise<never> => {
      throw new QueryError('LISTEN is not there: keep a connection of postgres.js for it, and notify by sql.notify(channel, payload)')
    },
    subscribe: async (): Promise<never> => { throw new QueryError('subscribe is not there: keep a connection of postgres.js for it') },
  })
}

interface TextOptions extends SqlTextOptions { readonly args: readonly unknown[] }

/** The arguments may be left out before the options. */
function readTextOptions (name: string, [first = [], second]: readonly unknown[]): TextOptions {
  return readGiven(name, () => {
    const [args, options = {}] = Array.isArray(first) ? [first, second] : [[], first]
    if (typeof options !== 'object' || options === null) {
      throw new QueryError(`${name} takes its arguments in an array: sql.${name}(…, [1, 2])`)
    }
    rejectUnknown(options, name === 'file' ? ['prepare', 'simple', 'cache'] : ['prepare', 'simple'], `${name}.`)
    const { prepare, simple, cache }: SqlFileOptions = options
    for (const [option, value] of Object.entries({ prepare, simple, cache })) {
      if (value !== undefined && typeof value !== 'boolean') throw new QueryError(`option ${option} of sql.${name} takes true or false`)
    }
    return { args: args.map((arg) => arg instanceof TypedValue ? arg.value : arg), prepare, simple }
  })
}
