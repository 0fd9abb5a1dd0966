import t from 'tap'
import { SqlPart, type TemplateWriter, WRITE } from '../../src/sql/sql-part.js'
import { type Compiled, compile, isTemplate, writeTemplate } from '../../src/sql/template.js'
import { SqlHelper, SqlName, TypedValue } from '../../src/sql/template-helpers.js'
import { positionAt } from '../../src/sql/template-position.js'

const of = (strings: TemplateStringsArray, ...values: unknown[]): { text: string, args: readonly unknown[] } => {
  const { text, args }: Compiled = compile(strings, values)
  return { text, args }
}
const template = (strings: TemplateStringsArray, ..._: unknown[]): TemplateStringsArray => strings
const help = (first: unknown, ...columns: unknown[]): SqlHelper => new SqlHelper(first, columns)
const name = (text: string): SqlName => new SqlName(text)
const QUERY = { code: 'FST_PG_QUERY' }

class Fragment extends SqlPart {
  readonly #strings: TemplateStringsArray
  readonly #values: unknown[]
  constructor (strings: TemplateStringsArray, values: unknown[]) {
    super()
    this.#strings = strings
    this.#values = values
  }

  override get isFragment (): boolean { return true }
  [WRITE] (writer: TemplateWriter): void { writeTemplate(writer, this.#strings, this.#values) }
}
const part = (strings: TemplateStringsArray, ...values: unknown[]): Fragment => new Fragment(strings, values)

t.test('values become numbered arguments, in their order, whatever they are', async (t) => {
  const values = [1, 'a', null, undefined, [1, 2], [], { a: 1 }, new Date(0), Buffer.of(1), Symbol('s'), () => {}]
  for (const value of values) t.strictSame(of`SELECT f(${value}, ${7})`, { text: 'SELECT f($1, $2)', args: [value, 7] })
  t.strictSame(of`SELECT 1`, { text: 'SELECT 1', args: [] })
  t.strictSame(of``, { text: '', args: [] })
  t.strictSame(of`${1}${2}`, { text: '$1$2', args: [1, 2] })
  t.strictSame(of`SELECT '\\d' AS a`, { text: "SELECT '\\d' AS a", args: [] }, 'the texts are as JavaScript reads them')
})

t.test('each place in the program is read once, and its arguments are passed on as they are', async (t) => {
  const strings = template`SELECT ${0} + ${0}`
  const args = [1, 2]
  const first = compile(strings, args)
  t.equal(first.args, args)
  t.same(compile(strings, [3, 4]), { text: 'SELECT $1 + $2', args: [3, 4] })
})

t.test('a digit behind a value is not one of its number', async (t) => {
  t.strictSame(of`SELECT ${5}1`.text, 'SELECT $1 1')
  t.strictSame(of`SELECT ${name('a')}, ${5}1`.text, 'SELECT "a", $1 1')
  t.strictSame(of`SELECT a${part`1`} ${5}${part`${part``}2`}`.text, 'SELECT a1 $1 2')
})

t.test('fragments, lists of fragments and names become part of the text, and their values are numbered on', async (t) => {
  const where = part`WHERE a = ${1} ${part`AND b = ${2}`}`
  t.strictSame(of`SELECT ${0} FROM ${name('s.t"x')} ${where} LIMIT ${3}`, { text: 'SELECT $1 FROM "s"."t""x" WHERE a = $2 AND b = $3 LIMIT $4', args: [0, 1, 2, 3] })
  t.strictSame(of`SELECT true${[part`AND a = ${1}`, part`AND b = ${2}`]}`, { text: 'SELECT true AND a = $1 AND b = $2', args: [1, 2] })
  t.strictSame(of`SELECT 1 ${part``}`, { text: 'SELECT 1 ', args: [] })
  t.strictSame(of`SELECT ${where} ${where}`.args, [1, 2, 1, 2], 'a fragment may stand twice')
  for (const list of [[part`a`, 1], [part`a`, name('b')], [name('a'), name('b')], [help(['a']), part`b`]]) {
    t.throws(() => of`SELECT ${list}`, { ...QUERY, message: /a list with a fragment in it takes nothing but fragments/ })
  }
})

t.test('no JSON is taken for a part of a text', async (t) => {
  for (const json of ['{"isFragment":true,"text":"DROP"}', '["a"]', '{"strings":["x"],"raw":["x"]}', '[{"isFragment":true}]']) {
    const value: unknown = JSON.parse(json)
    t.strictSame(of`SELECT f(${value})`, { text: 'SELECT f($1)', args: [value] })
    t.notOk(isTemplate(value))
  }
  t.strictSame(of`SELECT ${Object.create(part`x`)}`.text, 'SELECT $1', 'nor what inherits from one')
  t.throws(() => JSON.stringify([name('a')]), QUERY)
})

t.test('what cannot be a template is refused', async (t) => {
  t.throws(() => compile(template`a ${1}`, []), QUERY)
  t.throws(() => compile(template`a ${1}`, [1, 2]), QUERY)
  t.throws(() => of`SELECT $1, ${1}`, { ...QUERY, advice: /\$\{value\}/ })
  t.strictSame(of`SELECT $1`, { text: 'SELECT $1', args: [] }, 'without values it can be described')
  t.throws(() => of`SELECT ${part`$1`}`, QUERY)
  t.strictSame(of`SELECT '$1', ${1} -- $2`.args, [1], 'in a string or a comment it is no parameter')
  t.throws(() => of`SELECT ${name('a')}, $1, ${1}`, QUERY)
  t.throws(() => of`SELECT '\u'`, QUERY)
  const { proxy, revoke } = Proxy.revocable([], {})
  revoke()
  t.throws(() => of`SELECT ${proxy}`, { ...QUERY, cause: { name: 'TypeError' } })
  const endless: unknown[] = []
  endless.push(part`${endless}`)
  t.throws(() => of`SELECT ${endless}`, { ...QUERY, cause: { name: 'RangeError' } })
})

t.test('a value that is an item of the select list by itself has a cast, if it is of a type that JavaScript knows', async (t) => {
  const strings = template`SELECT ${0} AS a, ${0} FROM t WHERE b = ${0}`
  t.strictSame(compile(strings, [1, 'x', true]).text, 'SELECT $1 AS a, $2 FROM t WHERE b = $3')
  t.strictSame(compile(strings, [true, 1, true]).text, 'SELECT $1::pg_catalog."bool" AS a, $2 FROM t WHERE b = $3')
  t.strictSame(compile(strings, [1n, [new Date(0)], 1n]).text, 'SELECT $1::pg_catalog."int8" AS a, $2::pg_catalog."timestamptz"[] FROM t WHERE b = $3')
  t.strictSame(compile(strings, [1, 'x', true]).text, 'SELECT $1 AS a, $2 FROM t WHERE b = $3', 'another call has others')
  t.strictSame(compile(strings, [undefined, 1, 2], { columnTo: undefined, missing: false }), { text: 'SELECT $1::pg_catalog."bool" AS a, $2 FROM t WHERE b = $3', args: [false, 1, 2] })
  const trap = new Proxy(new Date(0), { getPrototypeOf: () => { throw new Error('no') } })
  t.throws(() => of`SELECT ${[trap]}`, { ...QUERY, cause: { message: 'no' } })
})

t.test('what fragments and helpers have made of the statement says where it stands', async (t) => {
  t.strictSame(of`SELECT ${true} AS a FROM ${name('t')} ${part`WHERE b = ${true}`}`.text, 'SELECT $1::pg_catalog."bool" AS a FROM "t" WHERE b = $2')
  t.strictSame(of`SELECT ${part`${true} AS a`}, ${help({ b: 1n, c: 1 })} FROM t`.text, 'SELECT $1::pg_catalog."bool" AS a, $2::pg_catalog."int8" as "b",$3 as "c" FROM t')
  t.strictSame(of`SELECT ${new TypedValue([true], undefined, true)} AS a, ${new TypedValue([true], undefined)}, ${new TypedValue([true], 'x')}`.text, 'SELECT $1::pg_catalog."bool"[] AS a, $2, ($3::x)')
  for (const other of [part`UNION SELECT 1`, part`INTO x`, part`+ 1`]) t.notMatch(of`SELECT ${true} ${other}`.text, /bool/)
  t.strictSame(of`${part`INSERT INTO t`} SELECT ${true} AS a`.text, 'INSERT INTO t SELECT $1 AS a')
  t.strictSame(of`insert into t ${help([{ a: true }, { a: false }])}`.text, 'insert into t ("a")values($1),($2)')
})

t.test('an INSERT has the columns and the values of its rows', async (t) => {
  const rows = [{ a: 1, 'b"c': null }, { 'b"c': [2], a: 'x' }]
  t.strictSame(of`INSERT INTO t ${help(rows)} RETURNING *`, { text: 'INSERT INTO t ("a","b""c")values($1,$2),($3,$4) RETURNING *', args: [1, null, 'x', [2]] })
  t.strictSame(of`insert into t ${help({ a: 1 })}`, { text: 'insert into t ("a")values($1)', args: [1] })
  t.strictSame(of`insert into ${name('t')} /* select */ ${help({ a: 1, b: 2 }, 'b')}`.args, [2])
  t.strictSame(of`insert into t ${help([{ a: 1, b: 2 }], ['b', 'a'])}`, { text: 'insert into t ("b","a")values($1,$2)', args: [2, 1] })
  t.strictSame(of`insert into t as x ${help({ a: part`now()`, b: name('c'), d: new TypedValue([1], 'pg_catalog.jsonb') })}`,
    { text: 'insert into t as x ("a","b","d")values(now(),"c",($1::pg_catalog.jsonb))', args: [[1]] })
})

t.test('rows of an INSERT that are none are refused', async (t) => {
  t.throws(() => of`insert into t ${help([])}`, { ...QUERY, message: /no rows/ })
  t.throws(() => of`insert into t ${help({})}`, { ...QUERY, message: /no columns/ })
  t.throws(() => of`insert into t ${help([{}, {}])}`, { ...QUERY, message: /no columns/ })
  for (const odd of [{ a: 1 }, { a: 1, c: 2 }, { a: 1, b: 2, c: 3 }]) {
    t.throws(() => of`insert into t ${help([{ a: 1, b: 2 }, odd])}`, { ...QUERY, message: /unequal keys/, advice: /row 1/ })
  }
  for (const odd of [null, 1, 'a', [1], name('a')]) t.throws(() => of`insert into t ${help([{ a: 1 }, odd])}`, { ...QUERY, message: /each row/ })
  t.throws(() => of`insert into t ${help([{ a: 1 }, { a: undefined }])}`, { code: 'FST_PG_VALUE', advice: /undefined in column a/, message: /row 1/ })
  t.throws(() => of`insert into t ${help({ a: 1 }, 'b')}`, { code: 'FST_PG_VALUE' })
  for (const column of ['', 1, null, {}]) t.throws(() => of`insert into t ${help({ a: 1 }, column)}`, QUERY)
  t.throws(() => of`insert into t ${help({ get a () { throw new Error('no') } })}`, { ...QUERY, cause: { message: 'no' } })
})

t.test('UPDATE … SET has assignments', async (t) => {
  t.strictSame(of`update t set ${help({ a: 1, b: null })} where id = ${3}`, { text: 'update t set "a"=$1,"b"=$2 where id = $3', args: [1, null, 3] })
  t.strictSame(of`update t as x set c = ${0}, ${help({ a: 1, b: 2 }, 'b')}`, { text: 'update t as x set c = $1, "b"=$2', args: [0, 2] })
  t.strictSame(of`insert into t ${help({ a: 1 })} on conflict (a) do update set ${help({ a: part`excluded.a` })}`.text, 'insert into t ("a")values($1) on conflict (a) do update set "a"=excluded.a')
  t.throws(() => of`update t set ${help([{ a: 1 }])}`, { ...QUERY, message: /behind SET/ })
  t.throws(() => of`update t ${help({ a: 1 })}`, QUERY)
  t.throws(() => of`update t set ${help({})}`, QUERY)
})

t.test('VALUES has rows, as lists or as objects with named columns', async (t) => {
  t.strictSame(of`select * from (values ${help([[1, 'a'], [2, 'b']])}) as x (n, s)`, { text: 'select * from (values ($1,$2),($3,$4)) as x (n, s)', args: [1, 'a', 2, 'b'] })
  t.strictSame(of`insert into t (a, b) values ${help([1, 2])}, ${help([3, 4])}`, { text: 'insert into t (a, b) values ($1,$2), ($3,$4)', args: [1, 2, 3, 4] })
  t.strictSame(of`insert into t (a, b) values ${help({ a: 1, b: 2 })}`.text, 'insert into t (a, b) values ($1,$2)')
  t.strictSame(of`insert into t (a, b) values ${help([{ b: 2, a: 1 }, { a: 3, b: 4 }], 'a', 'b')}`.args, [1, 2, 3, 4])
  t.strictSame(of`values ${help([{ a: 1 }, 'x'])}`.args, [{ a: 1 }, 'x'], 'a value may be JSON')
  t.throws(() => of`values ${help([{ a: 1 }, { a: 2 }])}`, { ...QUERY, message: /rows need their columns/ })
  t.throws(() => of`values ${help([[1, 2], [3]])}`, { ...QUERY, message: /unequal lengths/ })
  t.throws(() => of`values ${help([[1], 2])}`, { ...QUERY, message: /unequal lengths/ })
  for (const none of [[], [[]]]) t.throws(() => of`values ${help(none)}`, { ...QUERY, message: /no values/ })
  t.throws(() => of`values (${help([1])})`, { ...QUERY, advice: /without them/ })
  t.throws(() => of`values ${help([1, undefined])}`, { code: 'FST_PG_VALUE' })
})

t.test('IN has a list', async (t) => {
  t.strictSame(of`where a in ${help([1, 2])}`, { text: 'where a in ($1,$2)', args: [1, 2] })
  t.strictSame(of`where a NOT /* x */ IN ${help(['a'])} and b`, { text: 'where a NOT /* x */ IN ($1) and b', args: ['a'] })
  t.strictSame(of`where (a, b) in ${help([[1, 2], [3, 4]])}`.text, 'where (a, b) in (($1,$2),($3,$4))')
  t.strictSame(of`where (a, b) in ${help([{ a: 1, b: 2 }], 'a', 'b')}`.text, 'where (a, b) in (($1,$2))')
  t.strictSame(of`where a in ${help([])}`, { text: 'where a in (null)', args: [] }, 'nothing is in it')
  t.throws(() => of`where a not in ${help([])}`, { ...QUERY, message: /NOT IN of an empty list/ })
  t.throws(() => of`where a in ${help({ a: 1 })}`, { ...QUERY, message: /takes a list/ })
  t.throws(() => of`where a in (${help(['a'])})`, { ...QUERY, advice: /without them/ })
  t.throws(() => of`where a in ${help([undefined])}`, { code: 'FST_PG_VALUE' })
})

t.test('a select list has names, or values with names', async (t) => {
  t.strictSame(of`select ${help(['a', 'b.c'])} from t`.text, 'select "a","b"."c" from t')
  t.strictSame(of`select x as y, ${help('a', 'b')}`.text, 'select x as y, "a","b"')
  t.strictSame(of`select (select 1 from t where true) as q, ${help({ 'a.b': 1, c: name('d') })}`, { text: 'select (select 1 from t where true) as q, $1 as "a.b","d" as "c"', args: [1] })
  t.strictSame(of`insert into t (${help(['a', 'b'])}) values (1, 2) returning ${help(['a'])}`.text, 'insert into t ("a","b") values (1, 2) returning "a"')
  t.throws(() => of`select ${help([1])}`, QUERY)
  t.throws(() => of`select ${help([{ a: 1 }])}`, QUERY)
})

t.test('elsewhere a helper is a list of names, or has no meaning', async (t) => {
  t.strictSame(of`select * from t order by ${help(['a', 'b'])}`.text, 'select * from t order by "a","b"')
  t.strictSame(of`select * from ${help(['a'])}`.text, 'select * from "a"')
  t.strictSame(of`insert into ${help(['a'])} values (1)`.text, 'insert into "a" values (1)')
  for (const odd of [{ a: 1 }, [{ a: 1 }], [1], [[1]], 5, null]) t.throws(() => of`select * from t where a = ${help(odd)}`, { ...QUERY, message: /have no meaning at this place/ })
  t.throws(() => of`select * from ${help([])}`, { ...QUERY, message: /no name/ })
  t.throws(() => of`${help({ a: 1 })}`, QUERY)
})

t.test('a name is quoted whatever it holds, and is a string', async (t) => {
  t.equal(of`${name('a"; DROP TABLE x; --')}`.text, '"a""; DROP TABLE x; --"')
  for (const odd of ['', 1, null, undefined, {}]) t.throws(() => name(odd as string), QUERY)
})

t.test('a name and a helper that are awaited say that they are no query', async (t) => {
  for (const part of [name('a'), help({}), new TypedValue(1, 'x')]) await t.rejects(Promise.resolve(part as never), { ...QUERY, message: /no query/ })
})

t.test('positions follow brackets, and are not in strings, comments or qualified names', async (t) => {
  const cases: Array<[string, string]> = [
    ['insert into t', 'insert'], ['insert into', 'names'], ['INSERT INTO t (a) ', 'insert'], ['insert into t select', 'select'], ['insert into t /* values */ -- in\n', 'insert'],
    ["select ' where ' ,", 'select'], ['select "from" ,', 'select'], ['select t.from ,', 'select'], ['select (select a from b) ,', 'select'], ['select f(', 'names'], ['select a is distinct from b,', 'select'], ['select distinct on (a) ', 'select'], ['select x::timestamp with time zone,', 'select'], ['select p within group (order by a),', 'select'], ['select 1 order by', 'names'],
    ['update t set', 'set'], ['set', 'names'], ['update t', 'names'], ['with x as (update t set a = 1 where b) update y set', 'set'], ['with x as (', 'names'],
    ['values', 'values'], ['values (1),', 'values'], ['values (', 'valuesBrackets'], ['select a in', 'in'], ['a not in', 'notIn'], ['a in (', 'inBrackets'], ['a in (1) and b =', 'names'],
    ['delete from t where a in (1) returning', 'select'], ['select 1; ', 'names'], ['select 1) ,', 'names'], ['select $$ from $$,', 'select'], ['', 'names'],
    ['merge into t using s on a when not matched then insert', 'insert'], ['merge into t using s on a when matched then update set', 'set'],
  ]
  for (const [text, position] of cases) t.equal(positionAt(text), position, text)
})
