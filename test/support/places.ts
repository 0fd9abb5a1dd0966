import type { Database, Queryable } from '../../src/index.js'

/** Where the helpers are called. */
export const PLACES: Readonly<Record<string, (db: Database, work: (place: Queryable) => Promise<void>) => Promise<void>>> = {
  db: (db, work) => work(db),
  async 'a lease' (db, work) {
    const lease = await db.acquire()
    try {
      await work(lease)
    } finally {
      await lease.release()
    }
  },
  'a transaction': (db, work) => db.transaction(work),
  'a nested transaction': (db, work) => db.transaction((tx) => tx.transaction(work)),
}

/** Each helper with one list of arguments → the rows that it gives. Of a batch the list is the first of three. */
export const ROW_HELPERS: Readonly<Record<string, (place: Queryable, text: string, args: unknown[]) => Promise<unknown[]>>> = {
  fetchOne: async (place, text, args) => [await place.fetchOne(text, ...args)],
  fetchAll: (place, text, args) => place.fetchAll(text, ...args),
  executeWithReturning: async (place, text, args) => [await place.executeWithReturning(text, ...args)],
  executeManyWithReturning: (place, text, args) => place.executeManyWithReturning(text, [args, args, args]),
}

/** Every helper that takes a statement. */
export const HELPERS: Readonly<Record<string, (place: Queryable, text: string, args: unknown[]) => Promise<unknown>>> = {
  ...ROW_HELPERS,
  fetchVal: (place, text, args) => place.fetchVal(text, ...args),
  execute: (place, text, args) => place.execute(text, ...args),
  executeMany: (place, text, args) => place.executeMany(text, [args]),
  'executeMany as a pipeline': (place, text, args) => place.executeMany({ text, batch: 'pipeline' }, [args]),
}
