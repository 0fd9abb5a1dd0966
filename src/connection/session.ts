/**
 * Makes a session as new, but for statements that a user prepared by PREPARE. DISCARD ALL in parts, because that would also drop the statements that the driver has
 * prepared, and cannot run together with others. ROLLBACK comes first: the session may be in a transaction, even a
 * failed one.
 */
export const RESET_SESSION = `ROLLBACK; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; CLOSE ALL; UNLISTEN *;
SELECT pg_advisory_unlock_all(); DISCARD PLANS; DISCARD TEMP; DISCARD SEQUENCES`
