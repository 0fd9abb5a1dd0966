/** What is known of any error in one word, fit for a message that may reach a client: its code, or its name. */
export function codeOf (error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0])
  if (error instanceof Error) return 'code' in error && typeof error.code === 'string' ? error.code : error.name
  return typeof error
}

/** What a function of the user's threw, if it can be told and read, or an error that says that it cannot. */
export function thrownBy (name: string, error: unknown): unknown {
  try {
    codeOf(error)
    if (error !== undefined) return error
  } catch {}
  return new Error(`${name} failed with nothing that can be read`)
}
