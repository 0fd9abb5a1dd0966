import fc from 'fast-check'
import postgres from 'postgres'
import t from 'tap'
import { camel, fromCamel, fromKebab, fromPascal, kebab, pascal, toCamel, toKebab, toPascal } from '../../src/codecs/letter-case.js'

/** Of a column of this type. */
const column = (type: number): { name: string, type: number } => ({ name: 'a', type })
const words = fc.array(fc.stringMatching(/^[a-z][a-z0-9]{0,5}$/), { minLength: 1, maxLength: 4 })

t.test('usual names become what postgres.js makes of them, and come back', async (t) => {
  fc.assert(fc.property(words, (words) => {
    const name = words.join('_')
    t.equal(toCamel(name), postgres.toCamel(name))
    t.equal(toPascal(name), postgres.toPascal(name))
    t.equal(toKebab(name), postgres.toKebab(name))
    for (const [ours, theirs, here] of [[fromCamel, postgres.fromCamel, toCamel(name)], [fromPascal, postgres.fromPascal, toPascal(name)], [fromKebab, postgres.fromKebab, toKebab(name)]] as const) {
      t.equal(ours(here), theirs(here))
      if (!/_\d/.test(name)) t.equal(ours(here), name, 'it comes back')
    }
  }))
  for (const [name, ours] of Object.entries({ toCamel, toPascal, toKebab, fromCamel, fromPascal, fromKebab })) {
    for (const given of ['id', 'a_b', 'A', 'userID', 'user_1', 'x1_y2', 'ärger_ölung', 'http-request', 'URL']) {
      t.equal(ours(given), Reflect.get(postgres, name)(given), `${name}(${given})`)
    }
  }
})

t.test('no name is too odd', async (t) => {
  const names = ['', '_', '__', '_a', 'a_', 'a__b', '_a_b', '__proto__', 'a b', '?column?', '1_a', 'É_é', '😀_a', 'a_😀']
  t.strictSame(names.map(toCamel), ['', '_', '__', '_a', 'a_', 'a_B', '_aB', '_Proto__', 'a b', '?column?', '1A', 'ÉÉ', '😀A', 'a😀'])
  t.strictSame(names.map(toPascal), ['', '_', '__', '_a', 'A_', 'A_B', '_aB', '_Proto__', 'A b', '?column?', '1A', 'ÉÉ', '😀A', 'A😀'])
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (name) => {
    for (const rename of [toCamel, toPascal, toKebab, fromCamel, fromPascal, fromKebab]) {
      const given = rename(name)
      if (name.isWellFormed() && !given.isWellFormed()) throw new Error(`a surrogate pair is cut in ${JSON.stringify(name)}`)
      if ((name === '') !== (given === '')) throw new Error('a name is lost')
    }
  }))
})

t.test('keys inside JSON are names too, as in postgres.js; whatever they are', async (t) => {
  for (const type of [114, 3802]) {
    const key = words.map((words) => words.join('_'))
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof({ maxDepth: 4 }, fc.constantFrom(null, 7, true, 'a_b'), fc.array(tie('tree'), { maxLength: 3 }), fc.dictionary(key, tie('tree'), { maxKeys: 3 })),
    }))
    fc.assert(fc.property(tree, (json) => {
      for (const [ours, theirs] of [[camel, postgres.camel], [pascal, postgres.pascal], [kebab, postgres.kebab]] as const) {
        t.strictSame(ours.value.from(json, column(type)), theirs.value?.from?.(json, column(type) as never))
      }
    }), { numRuns: 30 })
  }
  const hostile: unknown = JSON.parse('{"__proto__": {"a_b": 1}, "constructor": {"prototype": {"x_y": 2}}}')
  const read = pascal.value.from(hostile, column(3802)) as object
  t.equal(Object.getPrototypeOf(read), Object.prototype)
  t.equal(JSON.stringify(read), '{"_Proto__":{"AB":1},"Constructor":{"Prototype":{"XY":2}}}')
  t.equal(Reflect.get({}, 'AB'), undefined)
  const values = [null, 'a_b', 7, true, 1n, undefined]
  t.strictSame(values.map((value) => camel.value.from(value, column(3802))), values)
  const other = { a_b: 1 }
  t.equal(camel.value.from(other, column(25)), other, 'no other type is looked into')
})

t.test('what a parser of JSON has made of it stays what it is', async (t) => {
  const date = new Date(0)
  const big = new Map([['a_b', 1]])
  t.strictSame(camel.value.from({ the_date: date, the_map: [big] }, column(3802)), { theDate: date, theMap: [big] })
  t.equal(JSON.stringify(camel.value.from(Object.assign(Object.create(null), { a_b: 1 }), column(3802))), '{"aB":1}')
})
