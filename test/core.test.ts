import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import ts from 'typescript'
import * as core from '../src/index.js'
import { UNTRACKED } from './support/script.js'

/** What a user of the core meets: what createDatabase takes, what it gives, and what calls take, give and reject with. */
const VALUES = [
  'Database', 'Lease', 'PostgresError', 'Queryable', 'ServerError', 'Transaction', 'camel', 'createDatabase', 'errorSerializer', 'errors', 'fromCamel', 'fromKebab', 'fromPascal', 'isCheckViolation', 'isDeadlock', 'isExclusionViolation',
  'isForeignKeyViolation', 'isLockNotAvailable', 'isNotNullViolation', 'isRetryable', 'isSerializationFailure', 'isUniqueViolation', 'kebab', 'pascal', 'toCamel', 'toKebab', 'toPascal',
]
const TYPES = [
  'AcquireHook', 'AnySql', 'AcquireHookOptions', 'ArgumentLists', 'ArrayQuery', 'BatchOptions', 'BatchQuery', 'CallOptions', 'CloseReason', 'CodedError', 'CodedErrorClass', 'ConversionOptions', 'DatabaseHealth', 'DatabaseOptions', 'Databases', 'ExecuteResult', 'HealthOptions', 'HealthReport', 'HealthStatus',
  'HookContext', 'Isolation', 'JsonOptions', 'JsonText', 'Log', 'Notice', 'PoolOptions', 'PoolStats', 'OwnReservedSql', 'OwnSql', 'OwnSqlOptions', 'OwnSqlQuery', 'TypeNames', 'PostgresJsType', 'Query', 'QueryResult', 'Range', 'ReservedSql', 'ResultColumn', 'Row', 'RowOptions', 'RowQuery', 'SerializedError', 'ServerErrorOf', 'SessionListeners', 'Settled', 'Sql', 'SqlColumn', 'SqlFile',
  'SqlFileOptions', 'SqlOptions', 'SqlPart', 'SqlQuery', 'SqlResult', 'SqlResultMeta', 'SqlStatement', 'SqlTag', 'SqlTextOptions', 'Ssl', 'TargetSessionAttrs', 'TransactionOptions', 'TransactionSql', 'TransformOptions', 'TransformedColumn', 'TypeCodec', 'TypeOptions', 'TypeWord', 'TypedHelper',
  'ValueQuery',
]

t.test('the core exports what its users meet, and nothing else', async (t) => {
  t.strictSame(Object.keys(core).sort(), VALUES)
  const program = ts.createProgram(['src/index.ts'], { module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext, noLib: true, types: [] })
  const checker = program.getTypeChecker()
  const file = program.getSourceFile('src/index.ts')
  const symbol = file && checker.getSymbolAtLocation(file)
  if (symbol === undefined) throw new Error('src/index.ts is no module')
  t.strictSame(checker.getExportsOfModule(symbol).map(({ name }) => name).sort(), [...VALUES, ...TYPES].sort())
})

const script = (options: string, rest = ''): string[] => ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', `
  import { createDatabase } from ${JSON.stringify(import.meta.resolve('../src/index.js').replace(/\.js$/, '.ts'))}
  const db = createDatabase({ host: '127.0.0.1', port: 1, min: 1, max: 1, startupTimeout: 0.2, ${options} }, {})
  await db.open().catch(({ code }) => console.log(code))
  ${rest}
  await db.close()
`]
const run = (args: string[]): Promise<{ stdout: string, stderr: string }> =>
  promisify(execFile)(process.execPath, args, { env: { PATH: process.env['PATH'], ...UNTRACKED } })

t.test('without a log, the core writes warnings and errors to stderr, and nothing to stdout', async (t) => {
  const { stdout, stderr } = await run(script('required: true'))
  t.equal(stdout, 'FST_PG_STARTUP\n')
  const lines = stderr.trim().split('\n').map((line) => JSON.parse(line))
  t.match(lines[0], { level: 40, name: 'fastify-postgres-js', msg: /cannot connect/ })
  t.ok(lines.every(({ level }) => level >= 40))
})

t.test('with a log, it writes there only', async (t) => {
  const { stdout, stderr } = await run(script(
    'log: { debug () {}, info () {}, warn (object, message) { lines.push(message) }, error () {} }', 'console.log(lines.length > 0)').map((text) => text.replace('const db', 'const lines = []; const db')))
  t.equal(stdout, 'FST_PG_STARTUP\ntrue\n')
  t.equal(stderr, '')
})
