/** A message: its type, its length, its body. */
function message (type: string, ...body: Buffer[]): Buffer {
  const content = Buffer.concat(body)
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeInt32BE(content.length + 4, 1)
  return Buffer.concat([head, content])
}

const zeroes = (bytes: number): Buffer => Buffer.alloc(bytes)

/**
 * A statement without parameters and rows as the extended protocol runs it, but without the Sync at its end: the server
 * takes it and the next one as a group, and if it fails, skips everything up to the next one's Sync. The driver, which
 * knows nothing of it, takes its answers for the beginning of the next one's.
 */
export function unsyncedStatement (text: string): Buffer {
  let bytes = written.get(text)
  if (bytes === undefined) {
    bytes = Buffer.concat([
      message('P', zeroes(1), Buffer.from(text), zeroes(3)), // Parse: unnamed; text; no types
      message('B', zeroes(8)), // Bind: unnamed; nothing
      message('E', zeroes(5)), // Execute: unnamed; all rows
    ])
    written.set(text, bytes)
  }
  return bytes
}

/** There are only so many ways to begin a transaction. */
const written = new Map<string, Buffer>()
