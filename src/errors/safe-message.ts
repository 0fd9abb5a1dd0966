import type { ServerErrorFields } from './error-response.js'
import { conditionOf } from './sqlstates.js'

/** What raises users' own words, under whichever SQLSTATE: RAISE, and its likes of PL/Python, PL/Perl and PL/Tcl. */
const RAISES = /^(exec_stmt_|PLy_|plperl_|pltcl_)/

/** Words of the server and of PgBouncer without a place for anything else. */
const FIXED = new Set(`
  canceling statement due to statement timeout; canceling statement due to lock timeout; canceling statement due to user request
  terminating connection due to administrator command; terminating connection due to idle-in-transaction timeout
  terminating connection due to idle-session timeout; terminating connection due to transaction timeout
  terminating connection due to conflict with recovery; canceling statement due to conflict with recovery
  current transaction is aborted, commands ignored until end of transaction block; deadlock detected
  could not serialize access due to concurrent update; could not serialize access due to concurrent delete
  could not serialize access due to read/write dependencies among transactions; cached plan must not change result type
  there is no unique or exclusion constraint matching the ON CONFLICT specification
  sorry, too many clients already; the database system is starting up; the database system is shutting down
  the database system is in recovery mode; the database system is not yet accepting connections
  query_wait_timeout; client_login_timeout; no more connections allowed (max_client_conn); server conn crashed?; pgbouncer is shutting down
`.trim().split(/\s*[;\n]\s*/))

/** Where the server finds out, when it reads a statement, that a name in it means nothing, or that types do not go together. */
const READS_NAMES = new Set(`
  parserOpenTable errorMissingRTE errorMissingColumn unknown_attribute scanRTEForColumn scanNSItemForColumn colNameToVar
  ParseFuncOrColumn op_error typenameType transformAssignedExpr transformTypeCast select_common_type coerce_to_boolean
  coerce_to_specific_type_typmod checkInsertTargets transformInsertRow transformUpdateTargetList transformTargetEntry
  check_ungrouped_columns_walker substitute_grouped_columns_mutator check_agglevels_and_constraints check_srf_call_placement
  transformFromClauseItem transformSubLink transformWindowFuncCall transformDistinctOnClause
  variable_paramref_hook variable_coerce_param_hook check_parameter_resolution_walker
`.trim().split(/\s+/))

/**
 * Whose words name at most an object that exists, a command, or a parameter by its number. A connection is refused with the names
 * of its user and database.
 */
const NAMES_ONLY = /^(aclcheck_error|Prevent(Command|InTransaction)\w+|exec_parse_message|pg_analyze_and_rewrite_varparams)$/
const REFUSES = /^(auth_failed|ClientAuthentication|InitPostgres|InitializeSessionUserId|CheckMyDatabase)$/
/** Where the server refuses a setting: there is none of that name, its value is none, or the user may not set it. */
const SETS = /^(set_config_\w+|call_\w+_check_hook|parse_and_validate_value|find_option|assignable_custom_variable_name)$/
/** Where the server finds that a prepared statement is gone, or is there already. */
const PREPARED = /^(Fetch|Store)PreparedStatement$/
const POOLER_ADVICE = ': a pooler that gives each transaction another session loses prepared statements. ' +
  "Behind PgBouncer in transaction mode set the pool's option " +
  '{ prepare: false }, or from PgBouncer 1.21 on its max_prepared_statements'

/** Whether an error is a user's own, in a function: its words, its SQLSTATE and the names that it carries may be anything. */
export function isRaised ({ routine = '' }: ServerErrorFields): boolean { return RAISES.test(routine) }

/** What a client may read of an error: what the SQLSTATE means, and which parameter of the statement is to blame. */
export function safeMessage (fields: ServerErrorFields, parameter: string | undefined): string {
  const condition = isRaised(fields) ? undefined : conditionOf(fields.code)
  return `${condition ?? 'the server raised an error'}${parameter === undefined ? '' : `: ${parameter}`}`
}

/**
 * What may stand in a log. The server's words quote values, numbers and pieces of a statement in many places, and in its own
 * language: they are shown only where what raised them is known to have none of that. Instead of others, the names of what was violated.
 */
export function safeAdvice (fields: ServerErrorFields): string {
  if (mayShow(fields)) return `${fields.message}${PREPARED.test(fields.routine ?? '') ? POOLER_ADVICE : ''}`
  const names = fields.code.startsWith('23') && !isRaised(fields) ? namesIn(fields) : ''
  const what = SETS.test(fields.routine ?? '') ? 'a setting was refused; ' : names
  return `${what}the server's words are in error.serverMessage, and with the option debug in the log`
}

/** By the routine, because a position alone is also given where a literal is read: `'…'::regclass`. */
function mayShow (fields: ServerErrorFields): boolean {
  const { message, severity, position, where, routine = '' } = fields
  if (FIXED.has(message)) return true
  if (severity === 'FATAL') return REFUSES.test(routine)
  // In a function, what is read may have been put together from values.
  if (where !== undefined) return false
  return NAMES_ONLY.test(routine) || PREPARED.test(routine) || (position !== undefined && READS_NAMES.has(routine))
}

function namesIn ({ constraint_name: constraint, column_name: column, table_name: table }: ServerErrorFields): string {
  const of = Object.entries({ constraint, column, table }).filter(([, name]) => name !== undefined)
  return of.length === 0 ? '' : `${of.map(([what, name]) => `${what} "${name}"`).join(' of ')}; `
}

/** Other contexts quote something before a `$2`, or list all parameters behind a colon. */
const NAMES_A_PARAMETER = /^(?![^$\n]*(?:SQL|JSON|XML|COPY))[^"'«»„“$:：\n]*\$(\d+)/m

/**
 * The number of the parameter whose text the server could not read, from 1. Its context says so in its own language
 * (`unnamed portal parameter $2`), and may quote the value behind it. `count`: how many there are.
 */
export function refusedParameter ({ where = '' }: ServerErrorFields, count: number): number | undefined {
  const number = Number(NAMES_A_PARAMETER.exec(where)?.[1] ?? 0)
  return number >= 1 && number <= count ? number : undefined
}
