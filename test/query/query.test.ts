import t from 'tap'
import { internalCall, isSimple, NO_OPTIONS, rowName } from '../../src/query/call.js'
import { toBatchCall, toCall } from '../../src/query/query.js'
import { StatementCache } from '../../src/query/statement.js'

const cache = new StatementCache()
/** Whatever a user of JavaScript may pass. */
const call = (query: unknown): unknown => toCall(query as string, [1, 2], 'rows', cache)
const batch = (query: unknown): unknown => toBatchCall(query as string, cache)

t.test('a query is a text, or a text with options', async (t) => {
  const args = [1, 2]
  const plain = toCall('SELECT $1, $2', args, 'value', cache)
  t.strictSame({ ...plain }, { statement: cache.get('SELECT $1, $2'), args, mode: 'value', options: NO_OPTIONS })
  t.equal(plain.args, args, 'the arguments are passed on as they are')
  const options = { text: 'SELECT 1', timeout: 0.5, signal: new AbortController().signal, prepare: true }
  const withOptions = toCall(options, [], 'script', cache)
  const { text: _, ...copied } = options
  t.match(withOptions.options, copied)
  t.equal(withOptions.statement, cache.get('SELECT 1'))
  t.equal(withOptions.mode, 'script')
  for (const timeout of [0, 2_147_483, undefined]) t.match(call({ text: 'SELECT 1', timeout }), { options: { timeout } })
  for (const prepare of [true, false, undefined]) t.match(call({ text: 'SELECT 1', prepare }), { options: { prepare } })
})

t.test('what is no query is refused, and says what one is', async (t) => {
  for (const query of [undefined, null, 5, {}, { text: 5 }, { text: undefined }, Symbol('query')]) {
    t.throws(() => call(query), { code: 'FST_PG_QUERY', message: /^a query is a string with \$1, \$2 for its arguments, or \{ text, values, timeout, signal, prepare \}$/ })
  }
  t.throws(() => call(['SELECT ', '']), { code: 'FST_PG_QUERY', message: /^a query is a string/ }, 'an array is no template')
  t.throws(() => call(Object.assign([], { text: 'SELECT 1', raw: [] })), { code: 'FST_PG_QUERY' }, 'nor is one with a text')
  t.throws(() => toBatchCall(['SELECT 1'] as never, new StatementCache()), { code: 'FST_PG_QUERY', message: /^a query is a string/ })
})

t.test('an option of a call that is none, or is of the wrong kind, is named', async (t) => {
  const wrong: Array<[option: object, message: RegExp]> = [
    [{ timeout: -1 }, /^query\.timeout takes a number of seconds from 0 to 2147483, fractions allowed$/],
    [{ timeout: '5' }, /^query\.timeout takes/], [{ timeout: NaN }, /^query\.timeout takes/], [{ timeout: 2_147_484 }, /^query\.timeout takes/],
    [{ signal: {} }, /^query\.signal takes an AbortSignal$/], [{ signal: null }, /^query\.signal takes an AbortSignal$/],
    [{ prepare: 1 }, /^query\.prepare takes true or false$/], [{ prepare: null }, /^query\.prepare takes true or false$/],
    [{ timout: 1 }, /^unknown option query\.timout: did you mean query\.timeout\?$/],
    [{ batch: 'auto' }, /^query\.batch is for executeMany and executeManyWithReturning only$/],
    [{ onProgress: () => {} }, /^query\.onProgress is for executeMany and executeManyWithReturning only$/],
  ]
  for (const [option, message] of wrong) t.throws(() => call({ text: 'SELECT 1', ...option }), { code: 'FST_PG_OPTION', message }, String(message))
})

t.test('a batch has options of its own', async (t) => {
  t.strictSame({ ...toBatchCall('SELECT $1', cache) }, { statement: cache.get('SELECT $1'), args: [], mode: 'rows', options: NO_OPTIONS, batchOptions: NO_OPTIONS })
  for (const option of [{}, { batch: 'auto' }, { batch: 'pipeline' }, { batch: undefined }, { onProgress: () => {} }, { onProgress: undefined }, { timeout: 1 }] as const) {
    const query = { text: 'SELECT $1', ...option }
    const read = toBatchCall(query, cache)
    const { text, ...copied } = query
    t.match(read.batchOptions, copied)
    t.equal(read.statement.text, text)
    t.strictSame(read.args, [])
  }
  for (const wrong of ['unnest', true, null, 0]) t.throws(() => batch({ text: 'SELECT 1', batch: wrong }), { code: 'FST_PG_OPTION', message: /^query\.batch takes 'auto' or 'pipeline'$/ })
  for (const wrong of [5, 'done', null, {}]) t.throws(() => batch({ text: 'SELECT 1', onProgress: wrong }), { code: 'FST_PG_OPTION', message: /^query\.onProgress takes a function$/ })
  t.throws(() => batch({ text: 'SELECT 1', onprogress: () => {} }), { code: 'FST_PG_OPTION', message: /did you mean query\.onProgress\?/ })
  t.throws(() => batch(5), { code: 'FST_PG_QUERY' })
})

t.test('only what may be a script goes by the simple protocol', async (t) => {
  const isSimpleCall = (text: string, mode: 'rows' | 'script', args: unknown[] = []): boolean => isSimple(toCall(text, args, mode, cache))
  t.equal(isSimpleCall('CREATE TABLE a ()', 'script'), true)
  t.equal(isSimpleCall('SELECT 1; SELECT 2', 'script'), true)
  t.equal(isSimpleCall('SELECT 1', 'script'), false, 'a single statement of the planner need not')
  t.equal(isSimpleCall('CREATE TABLE a ()', 'rows'), false)
  t.equal(isSimpleCall('CALL a($1)', 'script', [1]), false, 'one with arguments cannot')
})

t.test('the argument list of a batch is named by its number', async (t) => {
  t.equal(rowName(undefined), '')
  t.equal(rowName(0), 'row 0, ')
  t.equal(rowName(41), 'row 41, ')
})

t.test('a statement of our own leaves nothing in the session, and is sent as it is', async (t) => {
  const { statement, ...begin } = internalCall('BEGIN')
  t.strictSame(begin, { args: [], mode: 'script', options: NO_OPTIONS, internal: true })
  const { latency, ...traits } = statement
  t.equal(latency.isQuick, false)
  t.match(traits, { text: 'BEGIN', strings: ['BEGIN'], parameters: undefined, uses: 0 })
  t.match(traits, { isPlanned: false, mayBePipelined: false, isScript: false, leaves: 'nothing', controlsTransaction: true, leavesTransactionOpen: false })
  t.equal(isSimple(internalCall('BEGIN')), true)
  t.match(internalCall('SELECT 1', 'rows', { timeout: 2 }), { mode: 'rows', options: { timeout: 2 } })
})

t.test('a text is classified once, and kept for as long as it is in use', async (t) => {
  const statements = new StatementCache()
  const first = statements.get('SELECT 0')
  for (let n = 1; n < 2000; n++) statements.get(`SELECT ${n}`)
  t.equal(statements.get('SELECT 0'), first, 'a whole generation is kept')
  statements.get('SELECT 2000')
  t.equal(statements.get('SELECT 0'), first, 'and the one before it')
  for (let n = 10_000; n < 11_999; n++) statements.get(`SELECT ${n}`)
  t.equal(statements.get('SELECT 0'), first, 'used in the meantime')
  for (let n = 20_000; n < 24_000; n++) statements.get(`SELECT ${n}`)
  t.not(statements.get('SELECT 0'), first, 'not used for two generations')
  t.strictSame(statements.get('constructor').strings, ['constructor '], 'the driver looks a text up in a plain object')
  t.strictSame(statements.get('SELECT 1').strings, ['SELECT 1'])
})
