/** A function of ours, and how often it was entered. */
export interface Hop { file: string, name: string, count: number }

/** What is counted: one `fetchOne`, or a transaction of two statements. */
export type HopsWork = 'fetchOne' | 'transaction'

export function isHopsWork (name: string): name is HopsWork { return name === 'fetchOne' || name === 'transaction' }

/** `promises`: those of the caller are among them, and one for each await. */
export interface Hops { hops: Hop[], promises: number }
