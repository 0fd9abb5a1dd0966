/** Why the demo could not start: an error and its causes, in one line. */
export function explain (error: unknown): string {
  const reasons: string[] = []
  for (let reason = error; reason !== undefined && reasons.length < 5; reason = reason instanceof Error ? reason.cause : undefined) {
    reasons.push(describe(reason))
  }
  return reasons.join(': ').replace(/\s*\n\s*/g, ' | ')
}

function describe (error: unknown): string {
  // A name with several addresses: one error for each, and no message of its own.
  if (error instanceof AggregateError) return error.errors.map(describe).join(', ')
  if (!(error instanceof Error)) return String(error)
  const { syscall, code, port } = { syscall: '', code: '', port: 0, ...error }
  if (syscall === 'listen' && code === 'EADDRINUSE') return `port ${port} is taken by another process: set PORT to a free one`
  if (syscall === 'listen') return `cannot listen: ${error.message}: check HOST and PORT`
  return error.message
}
