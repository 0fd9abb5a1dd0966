/** The command tags of what sets something in the session. */
export const SETS: ReadonlySet<string> =
  new Set(['SET', 'RESET', 'LISTEN', 'PREPARE', 'LOAD', 'DO', 'CALL', 'DISCARD ALL', 'DEALLOCATE ALL'])

const NOTEWORTHY: ReadonlySet<string> = new Set(['BEGIN', 'START TRANSACTION', 'COMMIT', 'ROLLBACK', 'PREPARE TRANSACTION', ...SETS])

/** The command tags of what may give statements other columns or types. */
export const REDEFINES = /^(ALTER|DROP|CREATE (VIEW|FUNCTION)) ?/

/** Whether a command tag says something of the session, of its transaction or of what prepared statements mean. */
export function isNoteworthy (tag: string): boolean {
  const isUsual = tag === 'SELECT' || tag === 'INSERT' || tag === 'UPDATE' || tag === 'DELETE'
  return !isUsual && (NOTEWORTHY.has(tag) || REDEFINES.test(tag))
}
