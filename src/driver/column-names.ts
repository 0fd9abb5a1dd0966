/** What stands for a column named `__proto__` while rows are put together: assigned, that name would set a row's prototype. */
const STAND_IN = '\0' // no name of Postgres's can hold it

/** The name under which the value of a column is assigned to a row. */
export function assignableName (name: string): string {
  return name === '__proto__' ? STAND_IN : name
}

/** Whether it stands for a name that cannot be assigned. */
export function isStandIn (name: string): boolean {
  return name === STAND_IN
}

/** Gives the rows of a result their columns by their own names, in their order. */
export function restoreNames (rows: unknown[], columns: ReadonlyArray<{ readonly name: string }>): void {
  if (!columns.some(({ name }) => isStandIn(name))) return
  // By index, because fetchVal's rows are arrays, which have no names.
  for (const [index, row] of rows.entries()) if (!Array.isArray(row)) rows[index] = restored(row as object, columns)
}

function restored (row: object, columns: ReadonlyArray<{ readonly name: string }>): object {
  const own = {}
  for (const { name } of columns) {
    const property = { value: Reflect.get(row, name), enumerable: true, writable: true, configurable: true }
    Object.defineProperty(own, isStandIn(name) ? '__proto__' : name, property)
  }
  return own
}
