import { hostOf, Queryable } from '../../src/api/queryable.js'
import { createTag, type SqlTag } from '../../src/api/sql-tag.js'
import type { TagConversion } from '../../src/api/tag-conversion.js'
import { callWithSettings } from '../../src/api/call-with-settings.js'
import { BatchPart } from '../../src/api/batch-part.js'
import { PoolPlace } from '../../src/api/pool-place.js'
import { readConfig } from '../../src/config/config.js'
import { eventLog } from '../../src/config/event-log.js'
import type { PoolOptions } from '../../src/config/options.js'
import { Pool } from '../../src/pool/pool.js'
import { StatementCache } from '../../src/query/statement.js'
import { readSettings, type Settings } from '../../src/transaction/settings.js'
import { transact } from '../../src/transaction/transact.js'
import type { Read } from '../../src/connection/execution.js'
import type { Call } from '../../src/query/call.js'
import type { Calls } from '../../src/errors/callers-stack.js'
import type { Batch } from '../../src/batch/batch.js'
import type { Test } from 'tap'
import { memoryLog } from './database.js'

const statements = new StatementCache()

/** The helpers on a pool, where each call is a transaction of its own with settings; without any, a single call. */
export class Bound extends Queryable {
  readonly pool: Pool
  readonly #settings: Settings | undefined

  constructor (pool: Pool, settings?: Record<string, string>) {
    super(statements, pool.dispatcher, false)
    this.pool = pool
    this.#settings = readSettings(settings, 'settings')
  }

  protected override makeTag (conversion: TagConversion): SqlTag { return createTag(hostOf(this), conversion) }
  override createSql (): never { throw new Error('there is none') }
  override transaction (): Promise<never> { throw new Error('there is none') }
  protected override checkTransactionControl (): void {}

  protected override run<T> (call: Call, read: Read<T>, calls: Calls | undefined): Promise<T> {
    const settings = this.#settings
    return settings === undefined ? super.run(call, read, calls) : callWithSettings(this.pool, { call, read, calls, settings })
  }

  protected override batch (batch: Batch): Promise<void> {
    return transact(new PoolPlace(this.pool, { settings: this.#settings, takenBy: undefined }), new BatchPart(batch))
  }
}

/** A pool, open until the test ends. */
export async function openPool (t: Test, options: PoolOptions): Promise<Pool> {
  const pool = new Pool({ config: readConfig({ min: 1, ...options }, {}), log: eventLog(memoryLog(), 'db') })
  t.teardown(() => pool.close())
  await pool.open()
  return pool
}
