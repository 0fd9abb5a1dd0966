import { Preamble } from '../driver/preamble.js'
import { type Call, internalCall } from '../query/call.js'
import type { Settings } from './settings.js'

/** How a transaction begins: BEGIN, and what is set in it. */
export interface Beginning {
  /** BEGIN by itself. */
  readonly call: Call
  readonly begin: Preamble
  readonly settings: Settings | undefined
  /** All of it, in front of something. */
  readonly preamble: Preamble
}

/** Without settings, one for each BEGIN: there are only so many. */
const plain = new Map<string, Beginning>()

/** `text`: BEGIN with its options. */
export function beginningOf (text: string, settings?: Settings): Beginning {
  let beginning = plain.get(text)
  if (beginning === undefined) {
    const begin = Preamble.of(text)
    beginning = { call: internalCall(text), begin, settings: undefined, preamble: begin }
    plain.set(text, beginning)
  }
  if (settings === undefined) return beginning
  const { call, begin } = beginning
  return { call, begin, settings, preamble: new Preamble([...begin.statements, settings.statement], settings) }
}
