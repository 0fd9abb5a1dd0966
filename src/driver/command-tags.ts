/** The command tags of what sets something in the session. */
export const SETS: ReadonlySet<string> =
  new Set(['SET', 'RESET', 'LISTEN', 'PREPARE', 'LOAD', 'DO', 'CALL', 'DISCARD ALL', 'DEALLOCATE ALL'])

/** Those that say something of the session or of its transaction. */
export const NOTEWORTHY: ReadonlySet<string> =
  new Set(['BEGIN', 'START TRANSACTION', 'COMMIT', 'ROLLBACK', 'PREPARE TRANSACTION', ...SETS])
