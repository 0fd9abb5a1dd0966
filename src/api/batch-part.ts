import { type Batch, runBatch } from '../batch/batch.js'
import type { Checkout } from '../transaction/checkout.js'
import type { Part } from '../transaction/transact.js'

/** A batch, which is all or nothing. */
export class BatchPart implements Part<void> {
  readonly hasCaller = false // the helper has
  readonly #batch: Batch

  constructor (batch: Batch) { this.#batch = batch }

  check (): void {}
  run (checkout: Checkout): Promise<void> { return checkout.call((batch) => runBatch(checkout, batch), this.#batch) }
  failed (): void {}
  end (): undefined {}
  after (): undefined {}
}
