import { tokenize } from './tokenizer.js'

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
  for (const { kind, start, end } of tokenize(text)) {
    if (kind === 'comment' || kind === 'string' || kind === 'name') {
      current += ' '
    } else if (text[start] === ';' && !isInsideBody(current)) {
      statements.push(current.trim())
      current = ''
    } else {
      current += text.slice(start, end)
    }
  }
  statements.push(current.trim())
  return statements.filter((statement) => statement !== '')
}

/** Whether a `BEGIN ATOMIC … END` is still open: every CASE in it has an END of its own. */
function isInsideBody (statement: string): boolean {
  const body = /^create\b[^]*?\bbegin\s+atomic\b([^]*)$/i.exec(statement)?.[1]
  if (body === undefined) return false
  const count = (word: RegExp): number => body.match(word)?.length ?? 0
  return count(/\bend\b/gi) < count(/\bcase\b/gi) + 1
}
