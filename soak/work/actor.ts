import type { Database } from '../../src/index.js'
import type { Random } from '../../test/support/random.js'
import type { Calls } from '../calls.js'
import type { Counts } from '../counts.js'
import type { Findings } from '../findings.js'
import type { Ledger } from '../ledger.js'

/** Rows that were acknowledged, by how they were written. */
export type Tally = Record<'single' | 'batch' | 'transaction', number>

/** What all callers of one pool share. */
export interface Stage {
  readonly db: Database
  readonly calls: Calls
  readonly counts: Counts
  readonly findings: Findings
  readonly tally: Tally
  /** Lists of a batch at most. */
  readonly largestBatch: number
  /** What every session of the pool has in `soak.home`. */
  readonly home: string
}

/**
 * One caller. Whatever it does draws all its chance before anything can fail, so that the next thing that it does is the
 * same in each run.
 */
export interface Actor extends Stage {
  readonly number: number
  readonly random: Random
  readonly ledger: Ledger
  /** How often it has asked for something of its own, for the tokens and codes of that. */
  asked: number
}
