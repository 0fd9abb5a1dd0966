/** Makes an empty object that is like `{}` to everyone, and has room for the columns of a row. */
export interface RowClass { new (): Record<string, unknown> }

/** By the number of columns: rows of the same columns have the same hidden class, whatever statement they are of. */
const classes: RowClass[] = []

/** The class of rows of so many columns. */
export function rowClass (columns: number): RowClass {
  const Row = classes[columns] ?? createRowClass(columns)
  classes[columns] = Row
  return Row
}

/**
 * A literal has room for four properties. Others go to a list beside it, which is copied as it grows, and an object that gets
 * more than 16 by computed names becomes a hash table. For an object that a constructor makes V8 leaves as much room as it has
 * assignments to `this`, and eight more; after the first eight objects it leaves only what was used. Those are made here.
 */
function createRowClass (columns: number): RowClass {
  function Row (this: Record<string, unknown>, isNever?: true): void {
    if (isNever === undefined) return
    this.a = this.b = this.c = this.d = this.e = this.f = this.g = this.h = this.i = this.j = this.k = this.l = this.m = this.n = 0
    this.o = this.p = this.q = this.r = this.s = this.t = this.u = this.v = this.w = this.x = this.y = this.z = this.A = this.B = 0
  }
  Row.prototype = Object.prototype
  const Class = Row as unknown as RowClass // a class would have a prototype of its own
  const largest = new Class()
  for (let column = 0; column < columns; column++) largest[`column ${column}`] = null
  for (let count = 0; count < 8; count++) Reflect.construct(Class, [])
  return Class
}

/**
 * A row that is kept, so that V8 keeps the hidden class that the rows of a statement have. Its properties hold one kind of value
 * after the other: otherwise the rows before a number that is no integer would have another hidden class than those behind it.
 */
export function templateOf (Row: RowClass, names: readonly string[]): object {
  const template = new Row()
  for (const value of [null, 0]) {
    // By assignments it would be a hash table if it had many more properties than there is room for.
    for (const name of names) Object.defineProperty(template, name, { value, enumerable: true, writable: true, configurable: true })
  }
  return template
}
