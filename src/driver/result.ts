/** What a statement gave: rows as objects, or as arrays where values were asked for. */
export interface DriverResult {
  readonly rows: unknown[]
  /** The name of its command tag: INSERT, SELECT, CREATE TABLE. Null for an empty statement. */
  readonly command: string | null
  readonly count: number | null
}
