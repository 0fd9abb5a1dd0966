import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'

export interface Options {
  /** It goes on for at least so long … */
  seconds: number
  /** … and until so many writes were acknowledged. */
  writes: number
  callers: number
  /** What each caller does, and which fault follows which, comes from it. */
  seed: string
  json: string | undefined
}

/** An option that cannot be meant. */
export class UsageError extends Error {}

/** The command line → what is to be done. Raises `UsageError`. */
export function readOptions (args: string[]): Options {
  const { minutes, seconds, writes, callers, seed, json } = parse(args)
  if (minutes !== undefined && seconds !== undefined) throw new UsageError('give --minutes or --seconds, not both')
  const time = minutes !== undefined ? readNumber('--minutes', minutes, 0.1) * 60 : seconds !== undefined ? readNumber('--seconds', seconds, 5) : undefined
  if (seed?.trim() === '') throw new UsageError('--seed takes a text')
  return {
    seconds: time ?? (writes === undefined ? 60 : 0),
    writes: writes === undefined ? 0 : readCount('--writes', writes, 1e9),
    callers: callers === undefined ? 64 : readCount('--callers', callers, 500),
    seed: seed ?? randomBytes(4).toString('hex'),
    json,
  }
}

function parse (args: string[]) {
  const text = { type: 'string' } as const
  try {
    return parseArgs({ args, options: { minutes: text, seconds: text, writes: text, callers: text, seed: text, json: text } }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function readNumber (name: string, text: string, least: number): number {
  const value = text.trim() === '' ? NaN : Number(text)
  if (!Number.isFinite(value) || value < least) throw new UsageError(`${name} takes a number from ${least} on`)
  return value
}

function readCount (name: string, text: string, most: number): number {
  const value = text.trim() === '' ? NaN : Number(text)
  if (!Number.isInteger(value) || value < 1 || value > most) throw new UsageError(`${name} takes a whole number from 1 to ${most}`)
  return value
}
