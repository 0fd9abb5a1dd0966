/** Command tags of statements that leave nothing in the session. Others (SET, LISTEN, BEGIN, DO, …) may. */
const PLAIN = new Set(['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'MERGE', 'COPY', 'SHOW', 'EXPLAIN', 'NOTIFY', 'VACUUM', 'ANALYZE', 'TRUNCATE TABLE'])
const DEFINITIONS = /^(CREATE|ALTER|DROP|COMMENT|GRANT|REVOKE|REINDEX|REFRESH|CLUSTER|IMPORT|SECURITY|REASSIGN)\b/

export function isPlain (command: string | null): boolean {
  return command === null || PLAIN.has(command) || DEFINITIONS.test(command)
}

/**
 * DISCARD ALL in parts, because that would also drop the statements that the driver has prepared, and cannot run
 * together with others. ROLLBACK comes first: the session may be in a transaction, even a failed one.
 */
export const RESET_SESSION = `ROLLBACK; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; CLOSE ALL; UNLISTEN *;
SELECT pg_advisory_unlock_all(); DISCARD PLANS; DISCARD TEMP; DISCARD SEQUENCES`
