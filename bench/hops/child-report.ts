/** A function of ours, and how often it was entered. */
export interface Hop { file: string, name: string, count: number }

const WORKS = ['fetchOne', 'template', 'transaction', 'route', 'request'] as const

/**
 * What is counted: one `fetchOne`, with a text or a template, a transaction of two statements, or a request that is
 * answered by `app.db.fetchOne` (route) or `request.db.fetchOne` (request).
 */
export type HopsWork = typeof WORKS[number]

export function isHopsWork (name: string): name is HopsWork { return WORKS.some((work) => work === name) }

/** `promises`: those of the caller are among them, and one for each await. */
export interface Hops { hops: Hop[], promises: number }
