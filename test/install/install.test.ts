import { execFile } from 'node:child_process'
import { cp, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import ts from 'typescript'
import { freshDatabase } from '../support/database.js'
import { brokenLinks } from '../support/markdown.js'
import { installPacked } from '../support/packed.js'

const execute = promisify(execFile)
const observer = await freshDatabase(t)
const { folder, files } = await installPacked(t)
await cp('test/fixtures', path.join(folder, 'fixtures'), { recursive: true })
await writeFile(path.join(folder, 'package.json'), JSON.stringify({ type: 'module', private: true }))

const { ModuleKind, ModuleResolutionKind } = ts
const ESM: ts.CompilerOptions = { module: ModuleKind.ESNext, esModuleInterop: true }
const NODENEXT: ts.CompilerOptions = { module: ModuleKind.NodeNext, moduleResolution: ModuleResolutionKind.NodeNext }

/** Compiles files of the fixtures as an app would be, and returns what TypeScript says. */
function compile (names: string[], options: ts.CompilerOptions): string[] {
  const program = ts.createProgram(names.map((name) => path.join(folder, 'fixtures', name)), {
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
    typeRoots: [path.join(folder, 'node_modules/@types')],
    types: ['node'],
    strict: true,
    skipLibCheck: false,
    ...options,
  })
  const { diagnostics } = program.emit()
  return [...ts.getPreEmitDiagnostics(program), ...diagnostics].map(({ file, messageText }) =>
    `${file === undefined ? '' : path.relative(folder, file.fileName)}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`)
}

/** Runs a fixture, and returns what it prints. */
async function run (name: string): Promise<{ printed: unknown, complaints: string }> {
  const { stdout, stderr } = await execute(process.execPath, [path.join(folder, 'fixtures', name)], {
    env: { PATH: process.env['PATH'], DATABASE_URL: observer.url, DB_MIN_POOL_SIZE: '1', DB_MAX_POOL_SIZE: '2' },
  })
  return { printed: JSON.parse(stdout), complaints: stderr }
}

// `npm run e2e` does so by several versions of TypeScript, and under nodenext and node16 too.
t.test('the entries compile without skipLibCheck under moduleResolution node10, which has no exports of packages', async (t) => {
  t.strictSame(compile(['consumer/main.ts', 'consumer/core.ts', 'consumer/testing.ts'], { ...ESM, moduleResolution: ModuleResolutionKind.Node10, noEmit: true }), [])
})

t.test('the declarations hold nothing that TypeScript before 5.7 does not know', async (t) => {
  const declarations = files.filter((file) => file.endsWith('.d.ts'))
  t.ok(declarations.length > 50)
  for (const file of declarations) {
    const text = await readFile(path.join(folder, 'node_modules/fastify-postgres-js', file), 'utf8')
    t.notMatch(text, /\b(?:Buffer|\w+Array)<Array(?:BufferLike|Buffer)\b/, `${file}: write its type down`)
  }
})

t.test('an app with a db of its own compiles without skipLibCheck, by moduleResolution bundler', async (t) => {
  t.strictSame(compile(['own-db/app.ts'], { ...ESM, moduleResolution: ModuleResolutionKind.Bundler }), [])
  t.strictSame(await run('own-db/app.js'), { printed: { both: { db: ['from the ORM'], pg: 42, archive: 43 }, health: 200, code: 'FST_PG_QUERY_TIMEOUT' }, complaints: '' })
})

t.test('an app with zod for everything', async (t) => {
  t.strictSame(compile(['zod/app.ts'], { ...NODENEXT, skipLibCheck: true }), [])
  const documented = ['/api/health', '/api/health/live', '/double/{n}']
  t.strictSame(await run('zod/app.js'), { printed: { double: { double: 42 }, refused: 400, health: 200, live: 200, documented }, complaints: '' })
})

t.test('a CommonJS app requires every entry', async (t) => {
  const { exports, version } = JSON.parse(await readFile('package.json', 'utf8'))
  const source = await readFile('test/fixtures/commonjs/app.cjs', 'utf8')
  for (const entry of Object.keys(exports)) t.match(source, `require('fastify-postgres-js${entry.slice(1)}')`)
  const { printed, complaints } = await run('commonjs/app.cjs')
  t.strictSame(printed, { first: 1, second: 2, core: 3, health: 200, same: true, counted: true, version })
  t.equal(complaints, '')
})

t.test('an app whose plugins are loaded from a folder shows the health routes in OpenAPI', async (t) => {
  t.strictSame(await run('autoload/app.js'), { printed: { documented: ['/api/health', '/api/health/live'], health: 200 }, complaints: '' })
})

t.test('every link in what is packed leads to what is packed', async (t) => {
  const documents = files.filter((file) => file.endsWith('.md'))
  for (const file of ['README.md', 'SECURITY.md', 'CHANGELOG.md', 'docs/patterns.md']) t.ok(documents.includes(file), `${file} is packed`)
  const installed = path.join(folder, 'node_modules/fastify-postgres-js')
  for (const file of documents) {
    t.strictSame(await brokenLinks(file, await readFile(path.join(installed, file), 'utf8'), installed), [])
  }
})
