/** What a call that must fail rejects with, or throws. */
export async function failure (call: () => unknown): Promise<unknown> {
  try {
    await call()
  } catch (error) {
    return error
  }
  throw new Error('it did not fail')
}
