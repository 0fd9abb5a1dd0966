import { type Calls, callsTo } from '../errors/callers-stack.js'
import { compile, type Compiled, isTemplate, writeTemplate } from '../sql/template.js'
import { SqlHelper, SqlName } from '../sql/template-helpers.js'
import type { SqlPart, TemplateWriter } from '../sql/sql-part.js'
import { PendingQuery, type SqlQuery, type SqlRun, type SqlSource } from './sql-query.js'
import type { Row } from './results.js'

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
}

class TemplateSource implements SqlSource {
  readonly #strings: TemplateStringsArray
  readonly #values: readonly unknown[]

  constructor (strings: TemplateStringsArray, values: readonly unknown[]) {
    this.#strings = strings
    this.#values = values
  }

  compiled (): Compiled { return compile(this.#strings, this.#values) }
  write (writer: TemplateWriter): void { writeTemplate(writer, this.#strings, this.#values) }
}

/** The calls that first led to each template of the program: where its error would name nobody else. */
const origins = new WeakMap<TemplateStringsArray, Calls>()

export interface TagHost {
  /** Runs its queries. */
  readonly run: SqlRun
  /** Whether the calls that lead to a query are noted each time. */
  readonly notesCallers: boolean
}

export function createTag ({ run, notesCallers }: TagHost): SqlTag {
  const originOf = (template: TemplateStringsArray): Calls => {
    if (notesCallers) return callsTo(sql)
    const known = origins.get(template) ?? callsTo(sql)
    origins.set(template, known)
    return known
  }
  function sql<T extends readonly unknown[]> (template: TemplateStringsArray, ...values: readonly unknown[]): SqlQuery<T>
  function sql (first: string | object, ...columns: readonly unknown[]): SqlPart
  function sql (first: TemplateStringsArray | string | object, ...rest: readonly unknown[]): SqlQuery | SqlPart {
    if (isTemplate(first)) return new PendingQuery(new TemplateSource(first, rest), run, originOf(first))
    return typeof first === 'string' && rest.length === 0 ? new SqlName(first) : new SqlHelper(first, rest)
  }
  return sql
}
