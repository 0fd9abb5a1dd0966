import { QueryError, ValueError } from '../errors/errors.js'
import { type Naming, SqlPart, type TemplateWriter, WRITE } from './sql-part.js'
import { positionAt } from './template-position.js'

/** A name → a quoted identifier; a dot is between a schema, a table and a column. Raises `QueryError` for what is no name. */
export function quoteName (name: unknown): string {
  if (typeof name !== 'string' || name === '') throw new QueryError('a name in a template is a string that is not empty: sql(name)')
  return name.split('.').map(quote).join('.')
}

/** A name here → that on the server, quoted. */
function quoteColumn (name: unknown, naming: Naming | undefined): string {
  const quoted = quoteName(name)
  return naming?.columnTo === undefined ? quoted : quoteName(naming.columnTo(String(name)))
}

function quote (name: string): string { return `"${name.replaceAll('"', '""')}"` }

/** Not a query: where one is awaited, the backticks of the template are missing. */
abstract class NoQuery extends SqlPart {
  then (): never { throw new QueryError('this is no query: call the tag with a template, sql`…`, and have the helper in it') }
  catch (): never { return this.then() }
  finally (): never { return this.then() }
}

/** A name. */
export class SqlName extends NoQuery {
  readonly #name: string

  constructor (name: string) {
    super()
    quoteName(name)
    this.#name = name
  }

  [WRITE] (writer: TemplateWriter): void { writer.append(quoteColumn(this.#name, writer.naming)) }
}

/** A value with the type that it is written as. */
export class TypedValue extends NoQuery {
  readonly #value: unknown
  readonly #type: string | undefined
  readonly #isInferred: boolean

  /** `type`: its name, as it stands in a cast; undefined where the server is to say, or with `isInferred` the value, if that cannot. */
  constructor (value: unknown, type: string | undefined, isInferred = false) {
    super()
    this.#value = value
    this.#type = type
    this.#isInferred = isInferred
  }

  /** Not a field, which printing it would show. */
  get value (): unknown { return this.#value }

  [WRITE] (writer: TemplateWriter): void {
    if (this.#type !== undefined) writer.append('(')
    writer.addValue(this.#value, !this.#isInferred)
    if (this.#type !== undefined) writer.append(`::${this.#type})`)
  }
}

type Row = Readonly<Record<string, unknown>>

/** Names, a row or rows: what they become is for the text before them to say. */
export class SqlHelper extends NoQuery {
  readonly #first: unknown
  readonly #columns: readonly unknown[]

  constructor (first: unknown, columns: readonly unknown[]) {
    super()
    this.#first = first
    this.#columns = columns.flat()
  }

  [WRITE] (writer: TemplateWriter): void {
    switch (positionAt(writer.text)) {
      case 'insert': return this.#insert(writer)
      case 'set': return this.#set(writer)
      case 'values': return writeTuples(writer, this.#tuples(writer.naming))
      case 'in': return this.#in(writer)
      case 'notIn': return this.#in(writer, 'NOT IN')
      case 'select': return this.#select(writer)
      case 'inBrackets': throw new QueryError('a list behind IN brings its own brackets: write IN without them')
      case 'valuesBrackets': throw new QueryError('rows behind VALUES bring their own brackets: write VALUES without them')
      case 'names': return this.#names(writer)
    }
  }

  #insert (writer: TemplateWriter): void {
    const rows = this.#rows()
    const columns = this.#columnsOf(rows)
    writer.append(`(${columns.map((column) => quoteColumn(column, writer.naming)).join(',')})values`)
    writeTuples(writer, valuesOf(rows, columns, writer.naming))
  }

  #set (writer: TemplateWriter): void {
    const row = this.#row('behind SET')
    writeList(writer, this.#columnsOf([row]), (column) => {
      writer.append(`${quoteColumn(column, writer.naming)}=`)
      addCell(writer, row[column], 0, column)
    })
  }

  #select (writer: TemplateWriter): void {
    if (this.#isNames) return this.#names(writer)
    const row = this.#row('in a select list')
    writeList(writer, this.#columnsOf([row]), (column) => {
      addCell(writer, row[column], 0, column)
      const { columnTo } = writer.naming ?? {}
      writer.append(` as ${columnTo === undefined ? quote(column) : quoteColumn(column, writer.naming)}`)
    })
  }

  #in (writer: TemplateWriter, keyword = 'IN'): void {
    if (!Array.isArray(this.#first)) throw new QueryError(`behind ${keyword} a helper takes a list: sql([…])`)
    const list: readonly unknown[] = this.#first
    // No value at all is in it. But none is outside of it either: NULL is what both would give.
    if (list.length === 0 && keyword === 'IN') return writer.append('(null)')
    if (list.length === 0) throw new QueryError('NOT IN of an empty list would never hold: leave the condition out then')
    writer.append('(')
    if (Array.isArray(list[0]) || this.#columns.length > 0) writeTuples(writer, this.#tuples(writer.naming))
    else writeList(writer, list, (value, index) => addCell(writer, value, index))
    writer.append(')')
  }

  #names (writer: TemplateWriter): void {
    if (!this.#isNames) {
      throw new QueryError('rows and values have no meaning at this place of a template: ' +
        'they stand behind INSERT INTO a table, SET, VALUES or IN, and a row also in a select list')
    }
    const names = [this.#first, ...this.#columns].flat()
    if (names.length === 0) throw new QueryError('there is no name in the list: sql([…]) takes at least one')
    writer.append(names.map((name) => quoteColumn(name, writer.naming)).join(','))
  }

  get #isNames (): boolean {
    return typeof this.#first === 'string' || (Array.isArray(this.#first) && this.#first.every((name) => typeof name === 'string'))
  }

  /** Rows as lists of values. */
  #tuples (naming: Naming | undefined): unknown[][] {
    const given = this.#first
    if (!Array.isArray(given) || this.#columns.length > 0) {
      const rows = this.#rows()
      return valuesOf(rows, this.#columnsOf(rows), naming)
    }
    if (given.length > 0 && given.every(isPlainObject)) {
      throw new QueryError('rows need their columns here, in the order of the statement: sql(rows, \'a\', \'b\')')
    }
    const tuples: unknown[][] = Array.isArray(given[0]) ? given : [given]
    const [{ length } = []] = tuples
    if (length === 0) throw new QueryError('there are no values: VALUES takes at least one')
    if (!tuples.every((tuple) => Array.isArray(tuple) && tuple.length === length)) {
      throw new QueryError('the rows of a helper have unequal lengths: give each as many values')
    }
    return tuples
  }

  #row (where: string): Row {
    const row = this.#first
    if (!isRow(row)) throw new QueryError(`a helper ${where} takes an object with the columns: sql({ … })`)
    return row
  }

  #rows (): Row[] {
    const rows: unknown[] = Array.isArray(this.#first) ? this.#first : [this.#first]
    if (rows.length === 0) throw new QueryError('there are no rows: sql(rows) takes at least one')
    if (!rows.every(isRow)) throw new QueryError('each row of a helper is an object with the columns: sql(rows, \'a\', \'b\')')
    return rows
  }

  /** Those that are named, or those that all rows have. */
  #columnsOf (rows: readonly Row[]): string[] {
    if (this.#columns.length > 0) {
      for (const column of this.#columns) quoteName(column)
      return this.#columns as string[]
    }
    const columns = Object.keys(rows[0] ?? {})
    if (columns.length === 0) throw new QueryError('there are no columns: the object has no properties of its own')
    const has = (row: Row): boolean => Object.keys(row).length === columns.length && columns.every((column) => Object.hasOwn(row, column))
    const odd = rows.findIndex((row) => !has(row))
    if (odd > 0) throw new QueryError(`the rows have unequal keys: row ${odd} has others than row 0; name them, sql(rows, 'a', 'b')`)
    return columns
  }
}

function isRow (value: unknown): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !SqlPart.is(value)
}

function isPlainObject (value: unknown): boolean {
  return isRow(value) && [Object.prototype, null].includes(Object.getPrototypeOf(value))
}

function valuesOf (rows: readonly Row[], columns: readonly string[], naming: Naming | undefined): unknown[][] {
  return rows.map((row, index) => columns.map((column) => defined(row[column], naming, index, column)))
}

function writeTuples (writer: TemplateWriter, tuples: readonly unknown[][]): void {
  writeList(writer, tuples, (tuple, row) => {
    writer.append('(')
    writeList(writer, tuple, (value) => addCell(writer, value, row))
    writer.append(')')
  })
}

function writeList<T> (writer: TemplateWriter, list: readonly T[], write: (item: T, index: number) => void): void {
  for (let index = 0; index < list.length; index++) {
    if (index > 0) writer.append(',')
    write(list[index] as T, index)
  }
}

function addCell (writer: TemplateWriter, value: unknown, row: number, column?: string): void {
  writer.add(defined(value, writer.naming, row, column))
}

/** A missing value must not become NULL, nor a default, without notice. */
function defined (value: unknown, naming: Naming | undefined, row: number, column?: string): unknown {
  if (value !== undefined) return value
  if (naming?.missing !== undefined) return naming.missing
  const where = column === undefined ? '' : ` in column ${column}`
  throw new ValueError(`row ${row}, a value of the helper`, `it is undefined${where} (use null for NULL)`)
}
