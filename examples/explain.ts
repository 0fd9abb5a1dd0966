/** Why the demo could not start: an error and its causes, in one line. */
export function explain (error: unknown): string {
  const reasons = [whyNotListening(error) ?? describe(error)]
  let cause = causeOf(error)
  for (; cause !== undefined && reasons.length < 5; cause = causeOf(cause)) reasons.push(describe(cause))
  return reasons.join(': ').replace(/\s*\n\s*/g, ' | ')
}

function causeOf (error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined
}

/** What went wrong with the database is the cause of another error; what went wrong with PORT or HOST is not. */
function whyNotListening (error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const { syscall, code, port } = { syscall: '', code: '', port: 0, ...error }
  if (syscall === 'listen' && code === 'EADDRINUSE') return `port ${port} is taken by another process: set PORT to a free one`
  if (syscall === 'listen' || syscall === 'getaddrinfo') return `cannot listen (${error.message}): check HOST and PORT`
  return undefined
}

function describe (error: unknown): string {
  // A name with several addresses: one error for each, and no message of its own.
  if (error instanceof AggregateError) return error.errors.map(describe).join(', ')
  if (!(error instanceof Error)) return String(error)
  // Of an error of the database, the message is for clients, and the advice for who runs the app.
  return 'advice' in error && typeof error.advice === 'string' ? `${error.message}: ${error.advice}` : error.message
}
