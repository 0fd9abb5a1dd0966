import { inspect } from 'node:util'
import type { ServerErrorFields } from './error-response.js'
import { addDetails, hasDetails, hide } from './message-and-advice.js'
import { excerptOf } from './statement-excerpt.js'

/** The option `debug`: errors show the statement, and its parameters only if that was asked for too. */
export type Debug = false | Shown
export interface Shown { readonly parameters: boolean }

/** What failed, as far as it is known. */
interface Failed {
  readonly fields?: ServerErrorFields | undefined
  readonly query?: string | undefined
  readonly args: readonly unknown[]
}

/** Parameters that are shown at most. */
const MOST_PARAMETERS = 20

/** What stands in a stack of an error, line by line: the server's words, the statement with the position marked, the parameters. */
export function detailsOf ({ fields, query, args }: Failed, { parameters }: Shown): string[] {
  const lines: string[] = []
  if (fields !== undefined) {
    const { message: server, detail, hint } = fields
    const where = shownWhere(fields.where, parameters)
    for (const [name, words] of Object.entries({ server, detail, hint, where })) if (words !== undefined) lines.push(...named(name, words))
  }
  if (query !== undefined) lines.push('  statement:', ...inset(excerptOf(query, numberIn(fields?.position))))
  if (fields?.internal_query !== undefined) {
    lines.push('  in it:', ...inset(excerptOf(fields.internal_query, numberIn(fields.internal_position))))
  }
  if (parameters && args.length > 0) lines.push('  parameters:', ...inset(shownParameters(args)))
  return lines
}

/** The server's context. A server may be set to quote the parameter that it could not read. */
export function shownWhere (where: string | undefined, withParameters: boolean): string | undefined {
  return withParameters ? where : where?.replace(/(\$\d+) = '.*/s, '$1')
}

function numberIn (position: string | undefined): number | undefined { return position === undefined ? undefined : Number(position) }

function named (name: string, words: string): string[] {
  const [first = '', ...further] = words.split('\n')
  return [`  ${name}: ${first}`, ...inset(further)]
}

/** Behind a bar, so that no line of a text looks like a call in a stack. */
function inset (lines: readonly string[]): string[] { return lines.map((line) => `    | ${line}`) }

/** Parameters as they are shown, each with its number. */
export function shownParameters (args: readonly unknown[]): string[] {
  const lines = args.slice(0, MOST_PARAMETERS).map((value, index) => `$${index + 1} = ${shown(value)}`)
  return args.length > MOST_PARAMETERS ? [...lines, `… and ${args.length - MOST_PARAMETERS} more`] : lines
}

function shown (value: unknown): string {
  try {
    // Nothing of the value's own is run.
    return inspect(value, { depth: 3, breakLength: Infinity, maxStringLength: 200, maxArrayLength: 20, customInspect: false })
      .replace(/\s*\n\s*/g, ' ')
  } catch {
    return '(it cannot be shown)'
  }
}

/**
 * A copy of an error of ours with what the call was, for the option `debug`: several calls that fail for one reason may share an error.
 * What shows its own call already is returned as it is, and so are others: those of the server have their details from the start.
 */
export function withStatement (error: unknown, { query, args }: Required<Omit<Failed, 'fields'>>, { parameters }: Shown): unknown {
  try {
    if (!isOurs(error) || hasDetails(error)) return error
    const own: Error = Object.create(Object.getPrototypeOf(error), Object.getOwnPropertyDescriptors(error))
    hide(own, { query, ...(parameters && { parameters: args }) })
    addDetails(own, detailsOf({ query, args }, { parameters }))
    return own
  } catch {
    return error // it is a user's, and cannot be read
  }
}

function isOurs (error: unknown): error is Error {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('FST_PG_')
}
