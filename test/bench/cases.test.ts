import t from 'tap'
import { narrowed, without, type Case } from '../../bench/case.js'
import { cases } from '../../bench/cases.js'
import { isNodeContender } from '../../bench/contenders/all.js'
import { isHttpContender } from '../../bench/http/apps.js'
import { isPgbenchContender } from '../../bench/processes/pgbench.js'
import { isOptional } from '../../bench/processes/start.js'
import { verdicts } from '../../bench/report/console.js'

const all = cases(0.5)
/** Those that have neither a table nor a file of apps. */
const OTHERS = ['Bun.sql', 'asyncpg', 'FastAPI + asyncpg']

t.test('each contender of a case is known, and each target names sides of its case', async (t) => {
  for (const { title, sides, targets } of all) {
    const labels = sides.map(({ label }) => label)
    t.equal(new Set(labels).size, labels.length, `labels of ${title} are different`)
    for (const { contender } of sides) {
      t.ok(isNodeContender(contender) || isHttpContender(contender) || isPgbenchContender(contender) || OTHERS.includes(contender), contender)
    }
    const named = targets.flatMap((target) => 'against' in target ? [target.of, target.against] : [target.of])
    t.strictSame(named.filter((label) => !labels.includes(label)), [], `targets of ${title}`)
  }
})

t.test('what a run of another program needs may be left out, and its targets are then not measured', async (t) => {
  const names = new Set(all.flatMap(({ sides }) => sides.map(({ contender }) => contender)))
  const optional = [...names].filter(isOptional)
  t.strictSame(optional.filter((name) => !isPgbenchContender(name)).sort(), ['Bun.sql', 'FastAPI + asyncpg', 'asyncpg', 'slonik'])
  const left = without(new Map(optional.map((name) => [name, 'not there'])), all)
  t.ok(left.every(({ sides }) => sides.length > 0), 'no case is empty without them')
  const [fifty] = left.filter(({ title }) => title === 'one row by key, 50 callers')
  if (fifty === undefined) throw new Error('there is no such case')
  const measured = verdicts([{ item: fifty, rounds: [fifty.sides.map(() => ({ rate: 1, cpu: 1 }))] }]).filter(({ reached }) => reached !== undefined)
  t.strictSame(measured.map(({ target }) => target.replace(/.* of /, '')).sort(), ['pg, named', 'pg, named', 'postgres.js'])
})

t.test('a quick run has what the targets name, and words find cases without targets too', async (t) => {
  const titles = (found: readonly Case[]): string[] => found.map(({ title }) => title)
  const quick = narrowed(all, '', true)
  t.ok(quick.every(({ targets }) => targets.length > 0))
  t.notOk(titles(quick).includes('over TLS: one row by key, 50 callers'))
  t.strictSame(titles(narrowed(all, 'TLS', true)), ['over TLS: one row by key, 50 callers'])
  const [fifty] = narrowed(all, 'one row 50', true)
  t.strictSame(fifty?.sides.map(({ label }) => label), ['ours', 'postgres.js', 'pg, named', 'asyncpg', 'Bun.sql', 'pgbench, 50 clients'])
  t.ok((narrowed(all, 'one row 50', false)[0]?.sides.length ?? 0) > 6)
})
