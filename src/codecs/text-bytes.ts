/** Longer texts are written by Node: calling it takes as long as that many characters do here. */
const SHORT = 40

/** How many bytes a text may take: for a short one it is not worth while to count them. */
export function mostBytes (text: string): number {
  return text.length < 1000 ? text.length * 3 : Buffer.byteLength(text)
}

/** Writes a text where there is room for it. Returns how many bytes it took. */
export function writeText (text: string, bytes: Buffer, at: number): number {
  return writeAscii(text, bytes, at) ? text.length : bytes.write(text, at)
}

/** Writes a short text of ASCII alone, without NUL, where there is room for it. Returns whether it is one. */
export function writeAscii (text: string, bytes: Buffer, at: number): boolean {
  const { length } = text
  if (length > SHORT) return false
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index)
    if (code >= 0x80 || code === 0) return false
    bytes[at + index] = code
  }
  return true
}
