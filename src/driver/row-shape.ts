/** Makes the objects that become rows. */
export interface RowClass { new (): Record<string, unknown> }

/** By the number of columns. */
const classes: RowClass[] = []

/**
 * Makes empty objects that have room for so many columns inside.
 *
 * To everyone they are like `{}`. But a literal has room for four properties: further ones go to a list beside it, which is
 * copied as it grows, and an object that gets more than 16 by computed names becomes a hash table. V8 reserves room for the
 * assignments to `this` that it sees in a constructor, and after the first few objects takes back what none of them used.
 * There is one for all statements of as many columns, so that rows of the same columns are of the same hidden class.
 */
export function rowClass (columns: number): RowClass { return classes[columns] ??= createRowClass(columns) }

function createRowClass (columns: number): RowClass {
  function Row (this: Record<string, unknown>, reserve = false): void {
    if (!reserve) return
    this.a = this.b = this.c = this.d = this.e = this.f = this.g = this.h = this.i = this.j = this.k = this.l = this.m = this.n = null
    this.a1 = this.b1 = this.c1 = this.d1 = this.e1 = this.f1 = this.g1 = this.h1 = this.i1 = this.j1 = this.k1 = this.l1 = this.m1 = null
    this.a2 = this.b2 = this.c2 = this.d2 = this.e2 = this.f2 = this.g2 = this.h2 = this.i2 = this.j2 = this.k2 = this.l2 = this.m2 = null
  }
  Row.prototype = Object.prototype
  const Class = Row as unknown as RowClass
  const full = new Class()
  for (let column = 0; column < columns; column++) full[`_${column}`] = null
  for (let count = 0; count < 8; count++) keep = new Class()
  keep = full
  return Class
}
let keep: unknown
export function kept (): unknown { return keep }

/** The names of the columns of a result. */
export class RowShape {
  /** Undefined where a name cannot be assigned. */
  readonly Row: RowClass | undefined
  /** Keeps the hidden class, whose fields may hold anything from the start: V8 forgets those that no object has. */
  readonly template: Record<string, unknown> | undefined
  readonly #names: readonly string[]

  constructor (names: readonly string[]) {
    this.#names = names
    if (names.includes('__proto__')) return
    this.Row = rowClass(names.length)
    const template = new this.Row()
    for (const name of names) template[name] = null
    for (const name of names) template[name] = 0
    this.template = template
  }

  rowOf (values: readonly unknown[]): Record<string, unknown> {
    return Object.fromEntries(this.#names.map((name, index) => [name, values[index]]))
  }
}
