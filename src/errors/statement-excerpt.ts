/** Lines of a statement that are shown at most, and characters of a line. */
const MOST_LINES = 40
const MOST_CHARACTERS = 200

/** Characters that take two columns of a terminal, and none. */
const WIDE =
  /[\p{Emoji_Presentation}\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}\u3000-\u303e\uff01-\uff60\uffe0-\uffe6]/u
const ZERO_WIDTH = /[\p{Mn}\p{Me}\p{Cf}]/u

/**
 * The lines of a statement, with a caret below the character at `position`, which the server counts from 1 in characters, not in
 * UTF-16 units. Of a long text, what is around it. A position that is not in the text is left out.
 *
 * @example
 * excerptOf('SELECT x', 8) // → ['SELECT x', '       ^']
 */
export function excerptOf (text: string, position?: number): string[] {
  const lines = text.split('\n').map((line) => [...line])
  const mark = placeOf(lines, position ?? 0)
  const first = Math.max(0, Math.min((mark?.line ?? 0) - MOST_LINES / 2, lines.length - MOST_LINES))
  const shown: string[] = first > 0 ? ['…'] : []
  for (const [index, line] of lines.slice(first, first + MOST_LINES).entries()) {
    const column = mark?.line === first + index ? mark.column : undefined
    const start = Math.max(0, Math.min((column ?? 0) - MOST_CHARACTERS / 2, line.length - MOST_CHARACTERS))
    const before = start > 0 ? ['…'] : []
    const visible = line.slice(start, start + MOST_CHARACTERS)
    const after = start + MOST_CHARACTERS < line.length ? '…' : ''
    shown.push(`${[...before, ...visible].join('').replaceAll('\r', '')}${after}`)
    if (column !== undefined) shown.push(`${[...before, ...visible.slice(0, column - start)].map(blank).join('')}^`)
  }
  if (first + MOST_LINES < lines.length) shown.push('…')
  return shown
}

/** The end of a line counts as a character, and the end of the text has a place too. */
function placeOf (lines: ReadonlyArray<readonly string[]>, position: number): { line: number, column: number } | undefined {
  if (!(position >= 1)) return undefined
  let column = position - 1
  for (const [line, characters] of lines.entries()) {
    if (column <= characters.length) return { line, column }
    column -= characters.length + 1
  }
  return undefined
}

/** What is as wide as a character, and one character as well. */
function blank (character: string): string {
  if (character === '\t') return '\t'
  if (character === '\r') return ''
  if (ZERO_WIDTH.test(character)) return '\u200b'
  return WIDE.test(character) ? '\u3000' : ' '
}
