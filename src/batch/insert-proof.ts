/*
 * Many executions of an INSERT as one, over arrays. It is done where it leaves the same rows in the same order, and
 * answers the same, as one execution after the other. What the statement may look like is said in insert-statement.ts.
 * What is asked of its table, and why:
 *
 * - A plain table, no partition and not partitioned, in the server's own storage: a view, a foreign table, the triggers
 *   of a partition are others' code.
 * - No trigger for INSERT and no rule. A row trigger may look at the table and would not see the rows before its own; a
 *   statement trigger would run once. The server's own for foreign and for deferrable keys look at the end of the
 *   statement, when all rows are there, so a foreign key to the same table, which may be fulfilled by a later row, is
 *   excluded too. For all others it makes no difference when they look, as nothing else changes in the meantime.
 * - No row level security: a policy may look at the table.
 * - No function, operator, operator class or type with a check of a user's in a default, a check, an index or a generated
 *   column, nor in a domain: a column that is left out takes the default of its domain. Of the server's own none that
 *   could tell one statement from many (current_query, statement_timestamp, lastval). nextval, random and their like are
 *   evaluated for each row, in order, here and there.
 * - No composite or range type of a user's: what they are made of may be domains and functions.
 * - Parameters of base types, enums and domains of these, which an array can hold. No function of a user's casts them, or a
 *   constant, to the type of a parameter or of a column.
 * - READ COMMITTED: in a transaction whose snapshot is older, the catalog would tell of a table as it was then.
 * - array_nulls: where it is off, NULL in an array is a text.
 *
 * The statement was described before, so that the table is locked against a change of any of that.
 *
 * Whatever then fails, be it a row or the INSERT as such, is undone, and done again one execution after the other: that
 * tells which row it is, and with which error. Only sequences have moved on, as if others had used them in the meantime.
 */

/** Bits and numbers of the catalog. */
const FIRST_USER_OID = 16384
const HEAP = 2
const FOR_INSERT = 4

/** Volatile functions of the server's own that do for each row of a statement what they do in a statement for each row. */
const EACH_ROW = "'{nextval,random,gen_random_uuid,uuidv4,uuidv7,clock_timestamp}'"

/** Functions of the server's own that are not volatile, and yet may see the rows before their own, or the statement. */
const SEES_STATEMENT = "'_to_xml|^pg_|^txid_|statement_timestamp|query|snapshot'"

/**
 * A type by its OID. Here and below OFFSET keeps the server from reading all of a catalog instead, which it takes for no more work in a
 * plan that is for any number of types.
 */
const typeOf = (oid: string): string => `lateral (select * from pg_catalog.pg_type x where x.oid OPERATOR(pg_catalog.=) ${oid} offset 0)`

/**
 * Asks for the names of the array types of the parameters, with no row where the INSERT must not be done over arrays. Its own
 * parameters are the table as it is written, the types of the parameters, and those of the constants. UNION compares by the
 * operator class of the type, which no search_path can change. The parameters are in sub-selects, so that the server finds after some
 * uses that a plan for any values does as well: to plan this query takes three times as long as to run it.
 */
export const PROOF = `with recursive target as (
  select c.oid, c.relkind, c.relispartition, c.relhasrules, c.relrowsecurity, c.relam from pg_catalog.pg_class c
   where c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass((select $1::pg_catalog.text))::pg_catalog.oid
), types (oid, is_source) as (
  select p.oid, true from pg_catalog.unnest((select $2::pg_catalog.oid[])) as p (oid)
  union all
  select k.oid, true from pg_catalog.unnest((select $3::pg_catalog.oid[])) as k (oid)
  union all
  select a.atttypid, false from pg_catalog.pg_attribute a join target on a.attrelid OPERATOR(pg_catalog.=) target.oid
  union
  select part.oid, types.is_source from types, ${typeOf('types.oid')} as t, pg_catalog.unnest(array[t.typbasetype, t.typelem]) as part (oid)
   where part.oid OPERATOR(pg_catalog.<>) 0::pg_catalog.oid
), parts (class, part, expression) as (
  select 'pg_catalog.pg_attrdef'::pg_catalog.regclass::pg_catalog.oid, d.oid, pg_catalog.pg_get_expr(d.adbin, d.adrelid)
    from pg_catalog.pg_attrdef d join target on d.adrelid OPERATOR(pg_catalog.=) target.oid
  union all
  select 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid, t.oid, pg_catalog.pg_get_expr(t.typdefaultbin, 0)
    from types, ${typeOf('types.oid')} as t where t.typtype OPERATOR(pg_catalog.=) 'd'
  union all
  select 'pg_catalog.pg_constraint'::pg_catalog.regclass::pg_catalog.oid, k.oid, pg_catalog.pg_get_expr(k.conbin, k.conrelid)
    from pg_catalog.pg_constraint k join target on k.conrelid OPERATOR(pg_catalog.=) target.oid
  union all
  select 'pg_catalog.pg_constraint'::pg_catalog.regclass::pg_catalog.oid, k.oid, pg_catalog.pg_get_expr(k.conbin, k.conrelid)
    from types, lateral (select * from pg_catalog.pg_constraint d where d.contypid OPERATOR(pg_catalog.=) types.oid offset 0) as k
  union all
  select 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, i.indexrelid, pg_catalog.concat(
         pg_catalog.pg_get_expr(i.indexprs, i.indrelid), ' ', pg_catalog.pg_get_expr(i.indpred, i.indrelid))
    from pg_catalog.pg_index i join target on i.indrelid OPERATOR(pg_catalog.=) target.oid
), arrays as (
  select pg_catalog.array_agg(pg_catalog.format('%I.%I', n.nspname, a.typname) order by p.place) as names
    from pg_catalog.unnest((select $2::pg_catalog.oid[])) with ordinality as p (oid, place)
    cross join ${typeOf('p.oid')} as t
    left join ${typeOf('t.typbasetype')} as b on true
    cross join ${typeOf('t.typarray')} as a
    join pg_catalog.pg_namespace n on n.oid OPERATOR(pg_catalog.=) a.typnamespace
   where t.typcategory OPERATOR(pg_catalog.<>) 'A' and t.typdelim OPERATOR(pg_catalog.=) ','
     and coalesce(b.typtype, t.typtype) OPERATOR(pg_catalog.=) ANY ('{b,e,r,m}'::pg_catalog."char"[])
)
select arrays.names from target, arrays
 where pg_catalog.cardinality(arrays.names) OPERATOR(pg_catalog.=) pg_catalog.cardinality((select $2::pg_catalog.oid[]))
   and pg_catalog.current_setting('transaction_isolation') OPERATOR(pg_catalog.=)
       ANY ('{read committed,read uncommitted}'::pg_catalog.text[])
   and pg_catalog.current_setting('array_nulls') OPERATOR(pg_catalog.=) 'on'
   and target.relkind OPERATOR(pg_catalog.=) 'r' and not target.relispartition and not target.relhasrules
   and not target.relrowsecurity and target.relam OPERATOR(pg_catalog.=) ANY ('{0,${HEAP}}'::pg_catalog.oid[])
   and not exists (
     select from pg_catalog.pg_trigger t
      where t.tgrelid OPERATOR(pg_catalog.=) target.oid
        and (t.tgtype::int OPERATOR(pg_catalog.&) ${FOR_INSERT}) OPERATOR(pg_catalog.<>) 0
        and t.tgfoid OPERATOR(pg_catalog.<>) 'pg_catalog."RI_FKey_check_ins"'::pg_catalog.regproc::pg_catalog.oid
        and t.tgfoid OPERATOR(pg_catalog.<>) 'pg_catalog.unique_key_recheck'::pg_catalog.regproc::pg_catalog.oid)
   and not exists (
     select from pg_catalog.pg_constraint k
      where k.conrelid OPERATOR(pg_catalog.=) target.oid and k.confrelid OPERATOR(pg_catalog.=) target.oid)
   and not exists (
     select from types, ${typeOf('types.oid')} as t
      where t.oid OPERATOR(pg_catalog.>=) ${FIRST_USER_OID}::pg_catalog.oid
        and t.typtype OPERATOR(pg_catalog.<>) ALL ('{b,e,d}'::pg_catalog."char"[]))
   and not exists (
     select from pg_catalog.pg_cast k
      where k.castfunc OPERATOR(pg_catalog.>=) ${FIRST_USER_OID}::pg_catalog.oid
        and k.castsource OPERATOR(pg_catalog.=) ANY (select types.oid from types where types.is_source)
        and k.casttarget OPERATOR(pg_catalog.=) ANY (select types.oid from types))
   and not exists (
     select from parts, lateral (
         select * from pg_catalog.pg_depend x
          where x.classid OPERATOR(pg_catalog.=) parts.class and x.objid OPERATOR(pg_catalog.=) parts.part offset 0) as d
      where d.refclassid OPERATOR(pg_catalog.=) ANY (array['pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid,
              'pg_catalog.pg_operator'::pg_catalog.regclass::pg_catalog.oid,
              'pg_catalog.pg_opclass'::pg_catalog.regclass::pg_catalog.oid,
              'pg_catalog.pg_opfamily'::pg_catalog.regclass::pg_catalog.oid])
         or (d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid
             and d.refobjid OPERATOR(pg_catalog.<>) ALL (select types.oid from types)
             and d.refobjid OPERATOR(pg_catalog.=) ANY (
               select t.oid from pg_catalog.pg_type t
                where t.typtype OPERATOR(pg_catalog.<>) ALL ('{b,e}'::pg_catalog."char"[])
                   or t.typcategory OPERATOR(pg_catalog.=) 'A')))
   and not exists (
     select from parts, pg_catalog.regexp_matches(parts.expression, '([a-z_][a-z_0-9]*)"?[(]', 'g') as called (name)
       join pg_catalog.pg_proc f on f.proname OPERATOR(pg_catalog.=) called.name[1]
        and f.pronamespace OPERATOR(pg_catalog.=) 'pg_catalog'::pg_catalog.regnamespace::pg_catalog.oid
      where (f.provolatile OPERATOR(pg_catalog.=) 'v' and f.proname OPERATOR(pg_catalog.<>) ALL (${EACH_ROW}::pg_catalog.text[]))
         or (f.provolatile OPERATOR(pg_catalog.=) 's' and f.proname OPERATOR(pg_catalog.~) ${SEES_STATEMENT}))`
