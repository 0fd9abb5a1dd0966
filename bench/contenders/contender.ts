import type { InsertedRow, UpdatedRow } from '../statements.js'

/** A library under test, used as its manual recommends. What is left out, it is not compared in. */
export interface Contender {
  /** Opens every connection. */
  open: () => Promise<unknown>
  close: () => Promise<unknown>
  /** One row by its primary key. */
  fetch?: (id: number) => PromiseLike<unknown>
  /** All rows of `bench_wide`. */
  fetchWide?: () => PromiseLike<readonly unknown[]>
  sleep?: (seconds: number) => PromiseLike<unknown>
  /** Two updates in a transaction; the number of rows that they changed. */
  transfer?: (from: number, to: number) => Promise<number>
  /** One row into `bench_singles`; the number of rows that the server says it inserted. */
  insertOne?: (n: number, label: string) => Promise<number | null>
  insert?: (rows: readonly InsertedRow[]) => PromiseLike<unknown>
  update?: (rows: readonly UpdatedRow[]) => PromiseLike<unknown>
  /** The rows that RETURNING gives, in the order of the argument lists. */
  insertReturning?: (rows: readonly InsertedRow[]) => PromiseLike<readonly unknown[]>
}

/** `create` names its connections, so that they can be counted. */
export interface Entry { connections: number, create (url: string, name: string, connections: number): Contender | Promise<Contender> }
