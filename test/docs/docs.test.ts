import { readFile, readdir, rm, stat } from 'node:fs/promises'
import { ESLint } from 'eslint'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import postgresJs, { Database, errors, Queryable } from '../../plugins/db.js'
import { POOL_OPTION_NAMES } from '../../src/config/rules.js'
import { readConfig } from '../../src/config/config.js'
import { readHealthOptions } from '../../src/monitoring/health.js'
import { freshDatabase, type Observer, until } from '../support/database.js'
import { found } from '../support/disclosure.js'
import { brokenLinks, commandsOf, placeOf, plain, readBlocks, readTable, typeErrors, variablesOf, withChecks, Workbench, type Block } from '../support/markdown.js'

const FILES = ['README.md', ...(await readdir('docs')).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)]
const texts = new Map(await Promise.all(FILES.map(async (file) => [file, await readFile(file, 'utf8')] as const)))
const readme = texts.get('README.md') ?? ''
const reference = texts.get('docs/quick-reference.md') ?? ''
const blocks = [...texts].flatMap(([file, text]) => readBlocks(file, text))
const of = (...languages: string[]): Block[] => blocks.filter(({ language }) => languages.includes(language))
const packageJson = JSON.parse(await readFile('package.json', 'utf8'))

for (const name of Object.keys(process.env)) if (/^(DATABASE|DB)_/.test(name)) delete process.env[name]

const TABLES = `
  CREATE TABLE users (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, email text NOT NULL UNIQUE, city text,
    settings jsonb NOT NULL DEFAULT '{}', created_at timestamptz NOT NULL DEFAULT now());
  CREATE TABLE accounts (id int PRIMARY KEY, balance numeric(12, 2) NOT NULL CHECK (balance >= 0));
  CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id int NOT NULL REFERENCES users, total numeric(12, 2) NOT NULL);
  CREATE TABLE logs (level text NOT NULL, message text NOT NULL, at timestamptz NOT NULL DEFAULT now())`
const ROWS = `
  DROP TABLE IF EXISTS notes;
  TRUNCATE users, accounts, orders, logs RESTART IDENTITY;
  INSERT INTO users (name, email, city) VALUES ('Ada', 'ada@example.com', 'Oslo'), ('Grace', 'grace@example.com', 'Bergen'), ('Linus', 'linus@example.com', 'Oslo');
  INSERT INTO accounts VALUES (1, 100), (2, 50);
  INSERT INTO orders (user_id, total) VALUES (1, 19.90), (1, 5), (2, 7.50)`

/** A database with the tables that the examples use, named by the variables that they read. */
async function exampleDatabase (t: Test): Promise<Observer> {
  const observer = await freshDatabase(t)
  await observer.rows(TABLES)
  const variables = { DATABASE_URL: observer.url, ARCHIVE_URL: observer.url, REPLICA_URL: observer.url, DB_MIN_POOL_SIZE: '1', DB_MAX_POOL_SIZE: '6' }
  Object.assign(process.env, variables)
  t.teardown(() => { for (const name of Object.keys(variables)) delete process.env[name] })
  return observer
}

/** The app that blocks find as `app`, and its database. */
async function surroundings () {
  const app = Fastify()
  await app.register(postgresJs)
  await app.db.open()
  return { app, db: app.db }
}

t.test('no page holds the marks of a merge that was not finished', async (t) => {
  const pages = (await readdir('docs', { recursive: true })).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)
  t.ok(pages.includes('docs/internals/wire.md'))
  for (const page of [...pages, 'README.md', 'CHANGELOG.md', 'CONTRIBUTING.md']) t.notMatch(await readFile(page, 'utf8'), /^(<{7}|>{7}|={7}$)/m, page)
})

t.test('the blocks are of languages that are checked', async (t) => {
  t.ok(of('ts').length > 40)
  t.strictSame(blocks.filter(({ language }) => !['ts', 'json', 'sh', 'env', 'yaml', 'text', 'dockerfile'].includes(language)).map(placeOf), [])
})

t.test('every TypeScript block passes the type check with the options of the project', async (t) => {
  t.strictSame(typeErrors(of('ts')), [])
})

t.test('every TypeScript block is written in the style of the project', async (t) => {
  const rules = { '@typescript-eslint/no-unused-vars': 'off', 'no-unused-vars': 'off', 'no-undef': 'off', 'no-unused-expressions': 'off', '@typescript-eslint/no-unused-expressions': 'off' } as const
  const eslint = new ESLint({ overrideConfig: { rules } })
  const complaints = await Promise.all(of('ts').map(async (block) => {
    const [result] = await eslint.lintText(block.code, { filePath: 'test/block.ts' })
    return result?.messages.map(({ line, message }) => `${block.file}:${block.line + line - 1}: ${message}`) ?? ['not linted']
  }))
  t.strictSame(complaints.flat(), [])
  const [bad] = await eslint.lintText('let x = "a";\n', { filePath: 'test/block.ts' })
  t.ok((bad?.messages.length ?? 0) > 0, 'another style would be found')
})

t.test('every TypeScript block runs and gives what its comments say', async (t) => {
  const observer = await exampleDatabase(t)
  const bench = await Workbench.create()
  t.teardown(() => rm(bench.folder, { recursive: true }))
  let checked = 0
  for (const block of of('ts')) {
    if (block.marks.some((mark) => /^(types only$|module |run by )/.test(mark))) continue
    await t.test(placeOf(block), async () => {
      await until(async () => (await observer.backends()).length === 0)
      await observer.rows(ROWS)
      checked += await bench.run(runnable(block), await surroundings())
    })
  }
  t.ok(checked > 80, `${checked} values and answers were checked`)
})

/** A server on a port of the system's choice, so that several runs at once do not meet. */
function runnable (block: Block): Block {
  return { ...block, code: block.code.replace(/\blisten\(\{ port: \d+/, 'listen({ port: 0') }
}

t.test('few blocks are only type-checked', async (t) => {
  t.ok(of('ts').filter(({ marks }) => marks.includes('types only')).length <= 2)
})

t.test('the workbench finds what is wrong', async (t) => {
  await exampleDatabase(t)
  const bench = await Workbench.create()
  t.teardown(() => rm(bench.folder, { recursive: true }))
  const made = (code: string, marks: string[] = []): Block => ({ file: 'made.md', line: 10, language: 'ts', code, marks })
  const rejects = async (block: Block, message: RegExp): Promise<void> => {
    await t.rejects(bench.run(block, await surroundings()), { message })
  }

  t.match(typeErrors([made('const a = 1\nconst n: number = await db.fetchVal<string>(\'SELECT 1\')\n')]), [/^made\.md:11: Type 'string \| null' is not assignable/])
  t.match(typeErrors([made('nobody()\n')]), [/^made\.md:10: Cannot find name 'nobody'/])
  await rejects(made("await db.fetchVal('SELECT 1') // → 2\n"), /made\.md:10: what is given differs/)
  await rejects(made("const one = await db.fetchVal('SELECT 1') // → 2\n"), /what is given differs/)
  await rejects(made('if (await db.fetchVal("SELECT 1") === 2) {\n  1 + 1 // → 2\n}\n'), /as many comments were checked/)
  await rejects(made("await db.fetchVal('SELECT nothing')\n"), /undefined column/)
  await rejects(made("await db.fetchVal('SELECT 1')\n", ['rejects FST_PG_VALUE']), /made\.md:10/)
  await rejects(made("await db.fetchVal('SELECT $1::int', {})\n", ['rejects FST_PG_QUERY']), /cannot be sent/)
  await rejects(made("app.get('/x', async () => 'x')\n", ['GET /x 404']), /GET \/x 404: x/)
  await rejects(made("app.get('/x', async () => 'x')\n", ['fetch /x']), /unknown mark/)
  t.throws(() => withChecks(made('foo(\n  1,\n) // → 2\n')), { message: /made\.md:12: this → cannot be checked/ })
  t.throws(() => readBlocks('made.md', '```\nx\n```\n'), { message: /made\.md:1/ })
  t.throws(() => readBlocks('made.md', '```ts\nx\n'), { message: /not complete/ })
  t.throws(() => readBlocks('made.md', '<!-- test: types only -->\ntext\n'), { message: /no code block/ })
  t.throws(() => readTable('# A\n\n| x |\n|---|\n', 'A', 'x'), { message: /no table/ })
  t.strictSame(await brokenLinks('README.md', '[a](nowhere.md) [b](#nowhere) [c](LICENSE) [d](docs/patterns.md#gotchas)'), ['README.md: nowhere.md', 'README.md: #nowhere'])
})

t.test('the JSON blocks parse, and the health report is as the route gives it', async (t) => {
  await exampleDatabase(t)
  const { app } = await surroundings()
  t.teardown(() => app.close())
  const answer = (await app.inject('/api/health')).json()
  const reports = of('json').map((block) => JSON.parse(block.code)).filter((value) => 'database' in value)
  t.ok(reports.length > 0)
  for (const { databases = {}, ...report } of reports) {
    t.strictSame(Object.keys(report), Object.keys(answer))
    for (const further of Object.values<object>(databases)) t.strictSame(Object.keys(further), Object.keys(answer.database))
    t.strictSame(Object.keys(report.database), Object.keys(answer.database))
    t.strictSame(kinds(report.database), kinds(answer.database))
    t.equal(report.status, answer.status)
  }
  t.match(readme, `\`${(await app.inject('/api/health/live')).body.replace(':', ': ').replace('{', '{ ').replace('}', ' }')}\``)
})

const exists = (file: string): Promise<boolean> => stat(file).then(() => true, () => false)

const kinds = (object: object): string[] => Object.values(object).map((value) => typeof value)

t.test('every command exists, and every address is served', async (t) => {
  await exampleDatabase(t)
  const { app } = await surroundings()
  t.teardown(() => app.close())
  // A new project is made by `npm run e2e`, which runs these.
  const commands = of('sh').filter(({ code }) => !code.startsWith('npm init')).flatMap(commandsOf)
  t.ok(commands.length > 5)
  for (const command of commands) {
    const url = /^curl http:\/\/localhost:\d+(\/\S*)$/.exec(command)?.[1]
    if (url !== undefined) {
      t.equal((await app.inject(url)).statusCode, 200, command)
      continue
    }
    const [, packages, script, file] = /^npm (?:ci|install ([a-z -]+)|(?:run )?([a-z:]+)(?: -- (\S+))?)$/.exec(command) ?? []
    if (packages !== undefined) {
      const known = ['--save-dev', ...Object.keys(packageJson.peerDependencies), packageJson.name]
      t.strictSame(packages.split(' ').filter((name) => !known.includes(name)), [], command)
    } else if (command !== 'npm ci') {
      const program = /\S+\.ts$/.exec(packageJson.scripts[script ?? ''])?.[0]
      t.ok(await exists(program ?? 'package.json'), `${command}: ${program} exists`)
      t.hasProp(packageJson.scripts, script ?? command, command)
      if (file !== undefined) t.ok(await exists(file), `${file} exists`)
    }
  }
})

t.test('every documented variable exists and is valid, with its default', async (t) => {
  const environments = of('env').map(variablesOf)
  t.ok(environments.length > 0)
  const known = variablesInSource(await readFile('src/config/rules.ts', 'utf8'))
  const defaults = readConfig({}, {})
  for (const variables of environments) {
    t.strictSame(variables.map(([name]) => name).sort(), known)
    const { min, max, commandTimeout, maxQueries, idleTimeout } = readConfig({}, Object.fromEntries(variables))
    t.match(defaults, { min, max, commandTimeout, maxQueries, idleTimeout })
  }
})

function variablesInSource (source: string): string[] {
  return [...new Set(source.match(/'(?:DATABASE|DB)_[A-Z_]+'/g)?.map((text) => text.slice(1, -1)))].sort()
}

for (const [file, heading] of [['README.md', 'Configuration'], ['docs/quick-reference.md', 'Options']] as const) {
  t.test(`${file} has every option with its default and its variable`, async (t) => {
    const rows = readTable(texts.get(file) ?? '', heading, 'option')
    t.strictSame(rows.map(([name]) => plain(name)), POOL_OPTION_NAMES)
    const variables = rows.map((row) => plain(row[2])).filter((name) => name !== '')
    t.strictSame([...variables].sort(), variablesInSource(await readFile('src/config/rules.ts', 'utf8')))

    const config = readConfig({}, {})
    const [{ host, port } = { host: '', port: 0 }] = config.hosts
    const described: Record<string, unknown> = { ...config, host, port, database: "the user's name", user: "the system's user", password: '–', parameters: '–', url: '–', types: '–', json: '–', transform: '–', onConnect: '–', onAcquire: '–', onRelease: '–', onNotice: '–', onParameter: '–', log: "the instance's logger" }
    t.equal(config.database, config.user)
    for (const [name, value] of rows) t.equal(plain(value), String(described[plain(name)]), `default of ${plain(name)}`)

    for (const [name = '', , variable = ''] of rows) {
      if (variable === '') continue
      t.ok(takesFrom(plain(name), plain(variable)), `${plain(name)} comes from ${plain(variable)}`)
    }
  })
}

/** Whether the environment variable sets the option: another value, another configuration. */
function takesFrom (option: string, variable: string): boolean {
  const value = option === 'url' ? 'postgres://someone@somewhere:7/something' : '7'
  const { hosts: [host], password, ...config } = readConfig({}, { [variable]: value })
  const found: Record<string, unknown> = { ...config, host: host?.host, port: host?.port, password: password(), url: `postgres://${config.user}@${host?.host}:${host?.port}/${config.database}` }
  return String(found[option]) === value
}

t.test('the README has the options of the plugin alone with their defaults', async (t) => {
  const section = readme.slice(readme.indexOf('Options of the plugin alone'))
  const rows = new Map(readTable(`# x\n${section}`, 'x', 'option').map(([name, value]) => [plain(name), plain(value)]))
  const { timeout, cache } = readHealthOptions()
  t.equal(rows.get('health.timeout'), String(timeout))
  t.equal(rows.get('health.cache'), String(cache))

  await exampleDatabase(t)
  const { app } = await surroundings()
  t.teardown(() => app.close())
  t.ok(app.hasDecorator(rows.get('name') ?? ''))
  t.equal((await app.inject(rows.get('health.path') ?? '')).statusCode, 200)
  for (const option of rows.keys()) await t.resolves(registers(option), `${option} is an option`)
  await t.rejects(registers('health.pth'), { code: 'FST_PG_OPTION' })
})

async function registers (option: string): Promise<void> {
  const app = Fastify()
  const [first = '', second] = option.split('.')
  try {
    await app.register(postgresJs, second === undefined ? { [first]: undefined } : { [first]: { [second]: undefined } })
  } finally {
    await app.close()
  }
}

t.test('the README has the message of every error', async (t) => {
  const documented = new Map(readTable(readme, 'Errors', 'code').map(([code, , message = '']) => [plain(code), message.split('`')[1]]))
  const named: Record<string, string> = { ValueError: 'parameter $…', ParameterCountError: '' }
  for (const [name, ErrorClass] of Object.entries(errors)) {
    const { code, message } = new (ErrorClass as new (...args: any[]) => { code: string, message: string })(named[name] ?? '…', 1)
    const isItsOwn = ['FST_PG_OPTION', 'FST_PG_ALREADY_REGISTERED', 'FST_PG_QUERY', 'FST_PG_SANDBOX', 'FST_PG_TEST_SERVER'].includes(code) // another in each case
    t.equal(documented.get(code), isItsOwn ? undefined : message, code)
  }
})

t.test('what an error shows with debug is as printed', async (t) => {
  await exampleDatabase(t)
  const app = Fastify()
  t.teardown(() => app.close())
  app.register(postgresJs, { debug: true })
  await app.ready()
  const error: unknown = await app.db.fetchAll('SELECT id, emial FROM users').catch((error: unknown) => error)
  const [block, ...others] = of('text').filter(({ code }) => code.includes('emial'))
  t.strictSame(others, [])
  t.equal(error instanceof Error ? error.stack?.replace(/ {4}at [^]*/, '    at …') : undefined, block?.code.trimEnd())
  found.length = 0 // it is shown on purpose
})

for (const [file, text] of [['README.md', readme], ['docs/quick-reference.md', reference]] as const) {
  t.test(`${file} has every error code with its status`, async (t) => {
    const documented = readTable(text, 'Errors', 'code').map(([code, status]) => `${plain(code)} ${status}`)
    const raised = Object.values(errors).filter((value) => value.prototype instanceof Error)
      .map((ErrorClass) => new (ErrorClass as new (...args: any[]) => { code: string, statusCode: number })('', '', ''))
      .map(({ code, statusCode }) => `${code} ${statusCode}`)
    t.ok(raised.length > 10)
    t.strictSame(documented.sort(), raised.sort())
    const mentioned = new Set([...texts.values()].join().match(/FST_PG_[A-Z_]+[A-Z]/g))
    t.strictSame([...mentioned].filter((code) => !raised.some((line) => line.startsWith(`${code} `))), [])
  })
}

t.test('the README has every helper, and no other', async (t) => {
  const documented = readTable(readme, 'Helpers', 'helper').flatMap(([cell = '']) => [...cell.matchAll(/db\.(\w+)/g)].map(([, name]) => name))
  const hidden = ['constructor', 'run', 'batch', 'opened', 'checkTransactionControl', 'makeTag', 'ownConversion']
  const existing = [Database, Queryable].flatMap(({ prototype }) => Object.getOwnPropertyNames(prototype)).filter((name) => !hidden.includes(name))
  t.strictSame(documented.sort(), [...new Set(existing)].sort())
  for (const name of documented) if (!['open', 'drain', 'close'].includes(name ?? '')) t.match(reference, `.${name}`, `the quick reference shows ${name}`)
})

t.test('the README has every number of stats()', async (t) => {
  await exampleDatabase(t)
  const { app, db } = await surroundings()
  t.teardown(() => app.close())
  const documented = readTable(readme, 'Numbers', 'number').flatMap(([cell = '']) => cell.split(', ').map(plain))
  t.strictSame(documented.sort(), Object.keys(db.stats()).sort())
})

t.test('every link leads somewhere', async (t) => {
  for (const [file, text] of texts) t.strictSame(await brokenLinks(file, text), [])
  const links = [...texts.values()].join().match(/\]\((?!http)[^)]+\)/g) ?? []
  t.ok(links.length > 20)
})

t.test('the changelog has the version of the package, newest first', async (t) => {
  const versions = (await readFile('CHANGELOG.md', 'utf8')).match(/^## .*$/gm) ?? []
  t.equal(versions[0], '## [Unreleased]')
  t.match(versions[1], new RegExp(`^## \\[${packageJson.version.replaceAll('.', '\\.')}\\] - \\d{4}-\\d\\d-\\d\\d$`))
})
