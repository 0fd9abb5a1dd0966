import type { Test } from 'tap'
import type { Database } from '../../src/index.js'
import { until } from './database.js'
import type { FaultProxy } from '../../tools/fault-proxy.js'

/**
 * The network swallows a statement of a pool of one connection with a short `commandTimeout`: our own clock answers, and
 * the next statement is served once the network is back.
 */
export async function swallowStatement (t: Test, proxy: FaultProxy, db: Database): Promise<void> {
  await proxy.set('black-hole')
  await t.rejects(db.fetchVal('SELECT 1'), { code: 'FST_PG_QUERY_TIMEOUT' })
  const later = db.fetchVal('SELECT 2')
  await until(() => db.stats().closed.cancel === 1)
  await proxy.set('forward')
  t.equal(await later, 2)
}
