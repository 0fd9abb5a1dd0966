import type { Duplex } from 'node:stream'

export interface DriverColumn { name: string, type: number, parser: ((text: string) => unknown) | undefined }

/** Rows (objects, or arrays where `values` was asked for), with what the server said of the statement. */
export interface DriverResult extends Array<unknown> {
  command: string | null
  count: number | null
  columns: DriverColumn[] | null | undefined
  state: { pid: number, secret: number } | null
}

/** A script gives one result for each of its statements with rows; COPY gives a stream. */
export type DriverAnswer = DriverResult | DriverResult[] | Duplex
