import type { WireColumn } from '../protocol/message-reader.js'

/** A column of a result, with how its text is read; without, the text is the value. */
export interface RowColumn extends WireColumn { readonly parse: ((text: string) => unknown) | undefined }

/** A DataRow, whose header starts at `start` → the row: its columns by name. */
export function readRow (bytes: Buffer, start: number, columns: readonly RowColumn[]): Record<string, unknown> {
  const row: Record<string, unknown> = {}
  let at = start + 7
  for (const { name, parse } of columns) {
    const length = bytes.readInt32BE(at)
    at += 4
    if (length === -1) {
      row[name] = null
      continue
    }
    const text = bytes.toString('utf8', at, at += length)
    row[name] = parse === undefined ? text : parse(text)
  }
  return row
}
