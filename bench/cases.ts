import type { Work } from './contender.js'

/** One side of a comparison: who does what. */
export interface Side { contender: string, label?: string, work: Work }

/** Two sides, and what their ratio (first by second, in queries per second) has to reach. */
export interface Case { title: string, sides: readonly [Side, Side], least?: number, target?: string }

const ONE_ROW = 'one row by primary key'

function load (contender: string, callers: number, seconds: number): Side {
  return { contender, work: { name: 'load', callers, seconds } }
}

/** The same number of queries on both sides, in one burst or in ten. */
function waiting (contender: string): readonly [Side, Side] {
  return [
    { contender, label: `${contender}, 10,000`, work: { name: 'burst', callers: 10_000, times: 1 } },
    { contender, label: `${contender}, 1,000`, work: { name: 'burst', callers: 1_000, times: 10 } },
  ]
}

export function cases (seconds: number): Case[] {
  const pools = [1, 10, 50].map((callers): Case => ({
    title: `${ONE_ROW}, 10 connections, ${callers} caller${callers === 1 ? '' : 's'}`,
    sides: [load('ours', callers, seconds), load('postgres.js', callers, seconds)],
    least: 1,
    target: 'at least 1.00 × postgres.js',
  }))
  return [
    ...pools,
    {
      title: `${ONE_ROW}, 1 connection, 1 caller: what the library adds`,
      sides: [load('ours, max 1', 1, seconds), load('bare client', 1, seconds)],
      least: 1 / 1.1,
      target: 'at most 10 % more time per query than the bare client',
    },
    {
      title: '10,000 callers waiting at once on 10 connections, against 1,000',
      sides: waiting('ours'),
      least: 1 / 1.25,
      target: 'time per caller about the same: at most 1.25 ×',
    },
    { title: 'the same with postgres.js, for comparison', sides: waiting('postgres.js') },
  ]
}
