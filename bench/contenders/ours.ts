import { createDatabase } from '../../src/index.js'
import { CREDIT, DEBIT, FETCH, FETCH_WIDE, INSERT, INSERT_ONE, INSERT_RETURNING, SLEEP, UPDATE } from '../statements.js'
import type { Contender } from './contender.js'

const SILENT = { debug () {}, info () {}, warn () {}, error () {} }

/** All other options as they are by default. */
export function ours (url: string, applicationName: string, connections: number, pipeline = true): Contender {
  const db = createDatabase({ url, min: connections, max: connections, applicationName, pipeline, log: SILENT }, {})
  return {
    open: () => db.open(),
    close: () => db.close(),
    fetch: (id) => db.fetchOne(FETCH, id),
    fetchWide: () => db.fetchAll(FETCH_WIDE),
    sleep: (seconds) => db.fetchOne(SLEEP, seconds),
    transfer: (from, to) => db.transaction(async (tx) => {
      const debit = await tx.execute(DEBIT, from)
      const credit = await tx.execute(CREDIT, to)
      return debit.count + credit.count
    }),
    insertOne: async (n, label) => (await db.execute(INSERT_ONE, n, label)).count,
    insert: (rows) => db.executeMany(INSERT, rows),
    update: (rows) => db.executeMany(UPDATE, rows),
    insertReturning: (rows) => db.executeManyWithReturning(INSERT_RETURNING, rows),
  }
}
