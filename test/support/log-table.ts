import { readFileSync } from 'node:fs'
import path from 'node:path'
import { plain, readTable } from './markdown.js'

/** An event as docs/logging.md has it. */
export interface DocumentedEvent { levels: string[], fields: string[] }

const words = (cell = ''): string[] => cell.split(/, | or /).map((word) => plain(word.trim())).filter((word) => word !== '')
const text = readFileSync(path.resolve(import.meta.dirname, '../../docs/logging.md'), 'utf8')

/** The table of docs/logging.md. */
export const LOG_TABLE: ReadonlyMap<string, DocumentedEvent> = new Map(readTable(text, 'The log', 'event')
  .map(([event, level, fields]) => [plain(event), { levels: words(level), fields: words(fields) }]))

/** What is wrong with a line by that table. */
export function faultOf (level: string, line: object): string | undefined {
  const { event, pool, ...fields } = { event: undefined, pool: undefined, ...line }
  const documented = LOG_TABLE.get(String(event))
  if (documented === undefined) return `event ${String(event)} is not documented`
  if (typeof pool !== 'string') return `${String(event)} names no pool`
  if (!documented.levels.includes(level)) return `${String(event)} at ${level} is not documented`
  const unknown = Object.keys(fields).filter((name) => !documented.fields.includes(name))
  return unknown.length === 0 ? undefined : `${String(event)} has fields that are not documented: ${unknown.join(', ')}`
}

/** Lines of the code under test, in any test file, that are not as documented: they fail the file. */
const faults = new Set<string>()

export function lookAtEvent (level: string, line: object): void {
  if (!('event' in line)) return // a test's own: what the code under test writes has one by its type
  const fault = faultOf(level, line)
  if (fault !== undefined) faults.add(fault)
}

process.on('exit', () => {
  if (faults.size === 0) return
  console.error(`lines of the log are not as docs/logging.md has them:\n${[...faults].join('\n')}`)
  process.exitCode = 1
})
