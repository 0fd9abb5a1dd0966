import type { Lists } from './argument-lists.js'
import { writeTexts } from '../driver/argument.js'
import type { Checkout } from '../transaction/checkout.js'
import type { DriverResult } from '../driver/result.js'
import { AbortedError } from '../errors/errors.js'
import { overArrays, type InsertValues } from '../sql/insert-statement.js'
import { type Call, internalCall } from '../query/call.js'
import type { StatementCache } from '../query/statement.js'

/*
 * Many executions of an INSERT as one, over arrays. It is done where it leaves the same rows in the same order, and
 * answers the same, as one execution after the other. What the statement may look like is said in insert-values.ts.
 * What is asked of its table, and why:
 *
 * - A plain table, no partition and not partitioned, in the server's own storage: a view, a foreign table, the triggers
 *   of a partition are others' code.
 * - No trigger for INSERT and no rule. A row trigger may look at the table and would not see the rows before its own; a
 *   statement trigger would run once. The server's own for foreign and for deferrable keys look at the end of the
 *   statement, when all rows are there, so a foreign key to the same table, which may be fulfilled by a later row, is
 *   excluded too. For all others it makes no difference when they look, as nothing else changes in the meantime.
 * - No row level security: a policy may look at the table.
 * - No function, operator, operator class or type with a check of a user's in a default, a check, an index, a generated column or a domain,
 *   and of the server's own none that could tell one statement from many (current_query, statement_timestamp, lastval).
 *   nextval, random and their like are evaluated for each row, in order, here and there.
 * - Parameters of base types, enums and domains of these, which an array can hold. No cast of a user's starts at them.
 * - READ COMMITTED: in a transaction whose snapshot is older, the catalog would tell of a table as it was then.
 *
 * The statement was described before, so that the table is locked against a change of any of that.
 *
 * Whatever then fails, be it a row or the INSERT as such, is undone, and done again one execution after the other: that
 * tells which row it is, and with which error. Only sequences have moved on, as they do in every transaction that fails.
 */

/** Fewer lists are sooner executed than the catalog is asked. */
const LEAST_LISTS = 50

/** Bits and numbers of the catalog. */
const FIRST_USER_OID = 16384
const HEAP = 2
const FOR_INSERT = 4

/** Volatile functions of the server's own that do for each row of a statement what they do in a statement for each row. */
const EACH_ROW = "'nextval', 'random', 'gen_random_uuid', 'uuidv4', 'uuidv7', 'clock_timestamp'"

/** Functions of the server's own that are not volatile, and yet may see the rows before their own, or the statement. */
const SEES_STATEMENT = "'_to_xml|^pg_|^txid_|statement_timestamp|query|snapshot'"

/** Asks for the names of the array types of the parameters: NULL where the INSERT must not be done over arrays. */
const PROOF = `with target as (
  select * from pg_catalog.pg_class where oid = pg_catalog.to_regclass($1)
), types as (
  select t.*, b.typtype as base_typtype, b.typcategory as base_typcategory
    from pg_catalog.pg_type t left join pg_catalog.pg_type b on t.typtype = 'd' and b.oid = t.typbasetype
   where t.oid = any ($2::oid[]) or t.oid in (select atttypid from pg_catalog.pg_attribute, target where attrelid = target.oid)
), parts (class, part, expression) as (
  select 'pg_catalog.pg_attrdef'::regclass, d.oid, pg_catalog.pg_get_expr(adbin, adrelid)
    from pg_catalog.pg_attrdef d, target where adrelid = target.oid
  union all
  select 'pg_catalog.pg_constraint'::regclass, k.oid, pg_catalog.pg_get_expr(conbin, conrelid)
    from pg_catalog.pg_constraint k, target where conrelid = target.oid or contypid in (select oid from types)
  union all
  select 'pg_catalog.pg_class'::regclass, indexrelid,
         pg_catalog.concat(pg_catalog.pg_get_expr(indexprs, indrelid), ' ', pg_catalog.pg_get_expr(indpred, indrelid))
    from pg_catalog.pg_index, target where indrelid = target.oid
), arrays as (
  select pg_catalog.array_agg(pg_catalog.format('%I.%I', nspname, a.typname) order by place) as names
    from pg_catalog.unnest($2::oid[]) with ordinality as p (oid, place)
    join types t on t.oid = p.oid
    join pg_catalog.pg_type a on a.oid = t.typarray
    join pg_catalog.pg_namespace n on n.oid = a.typnamespace
   where t.typcategory <> 'A' and t.typdelim = ','
     and (t.typtype in ('b', 'e') or (t.typtype = 'd' and t.base_typtype in ('b', 'e') and t.base_typcategory <> 'A')
          or (t.typtype in ('r', 'm') and t.oid < ${FIRST_USER_OID}))
)
select names from target, arrays
 where pg_catalog.cardinality(names) = pg_catalog.cardinality($2::oid[])
   and pg_catalog.current_setting('transaction_isolation') in ('read committed', 'read uncommitted')
   and relkind = 'r' and not relispartition and not relhasrules and not relrowsecurity and relam in (0, ${HEAP})
   and not exists (
     select from pg_catalog.pg_trigger where tgrelid = target.oid and tgtype & ${FOR_INSERT} <> 0
        and tgfoid not in ('pg_catalog."RI_FKey_check_ins"'::regproc, 'pg_catalog.unique_key_recheck'::regproc))
   and not exists (select from pg_catalog.pg_constraint where conrelid = target.oid and confrelid = target.oid)
   and not exists (select from types where typtype = 'd' and base_typtype not in ('b', 'e', 'r', 'm'))
   and not exists (
     select from pg_catalog.pg_cast where castfunc >= ${FIRST_USER_OID}
        and castsource in (select oid from types union all select typbasetype from types))
   and not exists (
     select from pg_catalog.pg_depend join parts on classid = class and objid = part
      where refclassid in ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_operator'::regclass,
                           'pg_catalog.pg_opclass'::regclass, 'pg_catalog.pg_opfamily'::regclass)
         or (refclassid = 'pg_catalog.pg_type'::regclass and refobjid not in (select oid from types)
             and refobjid in (select oid from pg_catalog.pg_type where typtype not in ('b', 'e'))))
   and not exists (
     select from parts, pg_catalog.regexp_matches(expression, '([a-z_][a-z_0-9]*)"?[(]', 'g') as called (name)
       join pg_catalog.pg_proc on proname = name[1] and pronamespace = 'pg_catalog'::regnamespace
      where (provolatile = 'v' and proname not in (${EACH_ROW})) or (provolatile = 's' and proname ~ ${SEES_STATEMENT}))`

const SAVEPOINT = 'SAVEPOINT fastify_postgres_js_arrays'
const RELEASE = 'RELEASE fastify_postgres_js_arrays'
const NEXT_SAVEPOINT = internalCall(`${RELEASE}; ${SAVEPOINT}`, 'script')
const UNDO = internalCall(`ROLLBACK TO fastify_postgres_js_arrays; ${RELEASE}`, 'script')

/** What is inserted: the statement, how it was read, and the types of its parameters. */
interface Inserted { readonly call: Call, readonly insert: InsertValues, readonly types: readonly number[] }

/** How the chunks of a batch are inserted over arrays, for as long as that works. */
export class ArrayInsert {
  readonly #checkout: Checkout
  readonly #call: Call
  readonly #insert: InsertValues
  readonly #types: readonly number[]
  readonly #statements: StatementCache
  #state: 'unproven' | 'proven' | 'impossible' = 'unproven'
  #text = ''

  constructor (checkout: Checkout, statements: StatementCache, { call, insert, types }: Inserted) {
    this.#checkout = checkout
    this.#statements = statements
    this.#call = call
    this.#insert = insert
    this.#types = types
  }

  /** The texts of the arrays for a chunk; `undefined` where it has to be executed list by list. */
  write (lists: Lists, firstRow: number): string[] | undefined {
    if (this.#state === 'impossible' || (this.#state === 'unproven' && lists.length < LEAST_LISTS)) return undefined
    const registry = this.#checkout.connection.types
    const { statement } = this.#call
    const arrays = this.#types.map((): string[] => [])
    try {
      for (let index = 0; index < lists.length; index++) {
        const texts = writeTexts(lists[index] ?? [], { statement, types: this.#types, registry, row: firstRow + index })
        for (let column = 0; column < texts.length; column++) arrays[column]?.push(quoteElement(texts[column] ?? null))
      }
    } catch {
      return undefined // there is a value that cannot be sent: its execution says so
    }
    return arrays.map((elements) => `{${elements.join(',')}}`)
  }

  /**
   * Inserts what was written. `undefined`: nothing of it was, and it has to be executed list by list. Rejects where
   * nothing more can be executed: the call was aborted, or the connection is gone.
   */
  async run (arrays: readonly string[]): Promise<DriverResult | undefined> {
    if (this.#state === 'impossible') return undefined
    await this.#checkout.perform(this.#state === 'proven' ? NEXT_SAVEPOINT : internalCall(SAVEPOINT))
    try {
      if (this.#state === 'unproven') await this.#prove()
      if (this.#state === 'proven') return await this.#checkout.attempt(this.#over(this.#text, arrays))
      await this.#checkout.perform(internalCall(RELEASE))
    } catch (error) {
      if (error instanceof AbortedError || !this.#checkout.connection.isOpen) throw error
      this.#state = 'impossible'
      await this.#checkout.perform(UNDO)
    }
    return undefined
  }

  async #prove (): Promise<void> {
    const { rows: [row] } = await this.#checkout.attempt(this.#over(PROOF, [this.#insert.table, this.#types]))
    const names = typeof row === 'object' && row !== null && 'names' in row ? row.names : undefined
    this.#state = Array.isArray(names) ? 'proven' : 'impossible'
    if (Array.isArray(names)) this.#text = overArrays(this.#insert, names.map(String))
  }

  #over (text: string, args: readonly unknown[]): Call {
    return { statement: this.#statements.get(text), args, mode: 'rows', options: this.#call.options }
  }
}

/** Between quotes, the text reaches the type's input function as it is. */
function quoteElement (text: string | null): string {
  if (text === null) return 'NULL'
  if (/^-?[0-9.]+$/.test(text)) return text
  return /["\\]/.test(text) ? `"${text.replace(/["\\]/g, '\\$&')}"` : `"${text}"`
}
