import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import ts from 'typescript'
import { tokenize } from '../../src/sql/tokenizer.js'

/*
 * Every statement of ours is written so that no object of a user's can be meant, whatever is in front on the search_path
 * (CVE-2018-1058): operators, functions, types and relations are those of pg_catalog by name. What is checked here is how
 * the texts look; test/faults/shadowing.test.ts has objects in front.
 */

/** Keywords that a parenthesis may follow; what else one follows is a function. */
const NO_CALL = new Set(['operator', 'any', 'all', 'exists', 'coalesce', 'as', 'from', 'where', 'and', 'or', 'not', 'select', 'on', 'in', 'when', 'then', 'else', 'filter', 'lateral'])
/** Words that call an operator by its bare name. DISTINCT and UNION do not: they compare by operator classes. */
const HIDDEN_OPERATORS = new Set(['in', 'like', 'ilike', 'similar', 'between', 'using', 'nullif', 'greatest', 'least', 'overlaps', 'natural'])
/** Types whose names the grammar itself gives to pg_catalog. */
const GRAMMAR_TYPES = new Set(['int', 'boolean'])

/** What is wrong with a text. `$` stands for what is put in. */
function complaints (text: string): string[] {
  // Behind a name, a list of columns looks like a call.
  const plain = text.replace(/(\bas \w+|\w+(?= \([\w, ]+\) as \()) \([\w, $]+\)/gi, '$1')
  const tokens = [...tokenize(plain)].filter(({ kind }) => kind !== 'space' && kind !== 'comment')
    .map(({ kind, start, end }) => ({ kind, text: plain.slice(start, end).toLowerCase() }))
  const at = (index: number): string => tokens[index]?.text ?? ''
  const isQualified = (index: number): boolean => at(index) === 'pg_catalog' && at(index + 1) === '.'
  const common = new Set(['$', 'lateral', 'rows', ...[...plain.matchAll(/(\w+) as \(/gi)].map(([, name = '']) => name.toLowerCase())])
  const found: string[] = []
  let isOperator = false
  for (const [index, { kind, text: token }] of tokens.entries()) {
    const where = `${at(index - 2)} ${at(index - 1)} ${token} ${at(index + 1)} ${at(index + 2)}`
    if (token === 'operator') isOperator = isQualified(index + 2) || !found.push(`operator of any schema: ${where}`)
    else if (isOperator && token === ')') isOperator = false
    else if (kind === 'symbol' && /[-+*/<>=~!@#%^&|?]/.test(token) && !isOperator && at(index - 1) !== 'unlisten' && `${at(index - 1)} ${token}` !== 'select *') found.push(`bare operator: ${where}`)
    if (kind !== 'word') {
      if (token === '::' && !isQualified(index + 1) && !GRAMMAR_TYPES.has(at(index + 1)) && at(index + 1) !== '$') found.push(`bare type: ${where}`)
      continue
    }
    if (HIDDEN_OPERATORS.has(token) || (token === 'case' && at(index + 1) !== 'when') || (token === 'distinct' && at(index + 1) === 'from')) found.push(`hidden operator: ${where}`)
    if (/^(from|join)$/.test(token) && !isQualified(index + 1) && !common.has(at(index + 1)) && at(index + 1) !== '(') found.push(`bare relation: ${where}`)
    if (at(index + 1) === '(' && !NO_CALL.has(token) && !(at(index - 2) === 'pg_catalog' && at(index - 1) === '.')) found.push(`bare function: ${where}`)
  }
  return found
}

/** The texts of a file that are statements that read, with `$` for what is put in. */
function statementsOf (file: string): string[] {
  const texts: string[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node)) texts.push(node.text)
    else if (ts.isTemplateExpression(node)) texts.push(node.head.text + node.templateSpans.map(({ literal }) => `$ ${literal.text}`).join(''))
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest))
  return texts.filter((text) => /\bpg_catalog\.|(^|[;$])\s*(select\b|with \w+ |values *\(|call |do )/i.test(text))
}

t.test('no statement of ours leaves it to the search_path what it means', async (t) => {
  const files = ['src', 'routes', 'plugins', 'testing'].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts')).map((file) => path.join(folder, file)))
    .filter((file) => file !== 'src/sql/function-calls.ts') // it holds lists of keywords
  const statements = files.flatMap((file) => statementsOf(file).map((text) => ({ file, text })))
  for (const name of ['server-info', 'type-registry', 'insert-proof', 'insert-statement', 'session-reset', 'server-types', 'named-types', 'health']) {
    t.ok(statements.some(({ file }) => file.endsWith(`/${name}.ts`)), name)
  }
  for (const { file, text } of statements) t.strictSame(complaints(text), [], file)
})

t.test('what a search_path decides is found', async (t) => {
  const bad = ['select 1 = 1', 'select a || b', 'select 1 operator(=) 1', 'select 1 in (1)', 'select case a when 1 then 2 end', 'select nullif(a, b)', 'select a between 1 and 2', 'select a is distinct from b',
    'select lower(a)', 'select public.lower(a)', 'select pg_catalog.lower(a), upper(b)', 'select a::text', 'select a::public.oid', 'select 1 from pg_class', 'select 1 from pg_catalog.pg_class join pg_type t on true', 'select a from pg_catalog.x join pg_catalog.y using (b)', 'select -1', 'select a like b',
    'with a as (select 1 = 1) select 1']
  for (const text of bad) t.ok(complaints(text).length > 0, text)
  const good = ['select 1 operator(pg_catalog.=) any (array[2])', 'with a (b) as (select 1), c (d) as (select 2) select a.b from a, c', 'select pg_catalog.lower(a)::pg_catalog.text[] from pg_catalog.x as y (z)']
  for (const text of good) t.strictSame(complaints(text), [], text)
})
