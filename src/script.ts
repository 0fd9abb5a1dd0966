/**
 * Finds the statements of a script: the semicolons that are in no string, quoted name, comment, dollar quote, bracket
 * or SQL-standard function body. The driver cannot be asked afterwards: it makes one result of several statements
 * without rows, so that their command tags are lost.
 *
 * Each statement comes with its comments and strings blanked out, so that words can be looked for.
 */
export function splitScript (text: string): string[] {
  const statements: string[] = []
  let current = ''
  let position = 0
  while (position < text.length) {
    const length = skipLength(text, position)
    if (length > 0) {
      current += ' '
      position += length
    } else if (text[position] === ';' && !isInsideBody(current)) {
      statements.push(current.trim())
      current = ''
      position++
    } else {
      current += text[position++]
    }
  }
  statements.push(current.trim())
  return statements.filter((statement) => statement !== '')
}

const DOLLAR_TAG = /\$(?:[a-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/iy

/** How many characters from `start` are a comment or quoted; 0 for none. What is not closed goes to the end. */
function skipLength (text: string, start: number): number {
  const two = text.slice(start, start + 2)
  if (two === '--') return until(text, '\n', start)
  if (two === '/*') return commentLength(text, start)
  const [first = ''] = two
  if (first === "'" || first === '"') return quotedLength(text, start, first, first === "'" && /(^|\W)e$/i.test(text.slice(Math.max(0, start - 2), start)))
  if (first !== '$' || /[\w$]/.test(text[start - 1] ?? '')) return 0
  DOLLAR_TAG.lastIndex = start
  const tag = DOLLAR_TAG.exec(text)?.[0]
  return tag === undefined ? 0 : until(text, tag, start + tag.length) + tag.length
}

function until (text: string, end: string, start: number): number {
  const at = text.indexOf(end, start)
  return (at === -1 ? text.length : at + end.length) - start
}

/** Comments nest in Postgres. */
function commentLength (text: string, start: number): number {
  const ends = /\/\*|\*\//g
  ends.lastIndex = start
  let depth = 0
  for (let match = ends.exec(text); match !== null; match = ends.exec(text)) {
    depth += match[0] === '/*' ? 1 : -1
    if (depth === 0) return ends.lastIndex - start
  }
  return text.length - start
}

/** A quote is doubled inside quotes; a backslash escapes only in E'…'. */
function quotedLength (text: string, start: number, quote: string, escapes: boolean): number {
  for (let position = start + 1; position < text.length; position++) {
    if (escapes && text[position] === '\\') position++
    else if (text[position] === quote && text[++position] !== quote) return position - start
  }
  return text.length - start
}

/** Whether a `BEGIN ATOMIC … END` is still open: every CASE in it has an END of its own. */
function isInsideBody (statement: string): boolean {
  const body = /^create\b[^]*?\bbegin\s+atomic\b([^]*)$/i.exec(statement)?.[1]
  if (body === undefined) return false
  const count = (word: RegExp): number => body.match(word)?.length ?? 0
  return count(/\bend\b/gi) < count(/\bcase\b/gi) + 1
}
