/** Milliseconds in which a further signal is the same key press. */
const SAME = 500
/** Milliseconds for everything to end by itself. */
const LIMIT = 20_000

/**
 * Aborts with the first SIGINT, SIGTERM or SIGHUP. Another one, or the end of the patience, ends the process at once.
 *
 * close-with-grace would do, were it not for `npm start`: Ctrl-C reaches every process of the terminal, and npm passes
 * its own on, so that one key press is two signals.
 */
export function stopSignal (): AbortSignal {
  const controller = new AbortController()
  let first = 0
  const onSignal = (): void => {
    if (controller.signal.aborted) {
      if (performance.now() - first > SAME) force('ended by a second signal')
      return
    }
    first = performance.now()
    // It holds nothing up: with everything ended, so is the process.
    setTimeout(force, LIMIT, `not ended within ${LIMIT / 1000} s`).unref()
    controller.abort()
  }
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, onSignal)
  if (process.env['npm_lifecycle_event'] !== undefined) whenOrphaned(() => { if (!controller.signal.aborted) onSignal() })
  return controller.signal
}

/** npm passes a signal on to the shell that runs the script, and Debian's dies of it without notice. */
function whenOrphaned (then: () => void): void {
  const parent = process.ppid
  const watch = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(watch)
    then()
  }, 200).unref()
}

/** The embedded PostgreSQL sees that this process is gone, and removes itself. */
function force (why: string): never {
  console.error(why)
  process.exit(1)
}
