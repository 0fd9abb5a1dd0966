import { readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import ts from 'typescript'
import { plain, readTable } from './support/markdown.js'

/** The folders of `src` from top to bottom, as in docs/internals/architecture.md. Those of one storey do not know each other. */
const STOREYS = [
  ['index.ts'],
  ['api'],
  ['batch'],
  ['transaction', 'monitoring'],
  ['pool'],
  ['connector'],
  ['connection'],
  ['driver'],
  ['query', 'protocol'],
  ['codecs', 'sql', 'config'],
  ['errors', 'timing'],
  ['collections'],
]

/** Above `src`, from top to bottom. */
const TREES = ['examples', 'testing', 'plugins', 'routes', 'src']
const MOST_LINES = 300

interface Import { from: string, to: string }

/** What each file imports, types included: `import`, `export … from`, `import('…')` as a value and as a type. */
function importsOf (from: string): Import[] {
  const names: string[] = []
  const visit = (node: ts.Node): void => {
    const name = ts.isImportDeclaration(node) || ts.isExportDeclaration(node)
      ? node.moduleSpecifier
      : ts.isImportTypeNode(node)
        ? node.argument
        : ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword ? node.arguments[0] : undefined
    const literal = name !== undefined && ts.isLiteralTypeNode(name) ? name.literal : name
    if (literal !== undefined && ts.isStringLiteral(literal)) names.push(literal.text)
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(from, readFileSync(from, 'utf8'), ts.ScriptTarget.Latest))
  const absolute = (name: string): string => path.normalize(path.join(path.dirname(from), name)).replace(/\.js$/, '.ts')
  return names.map((name) => ({ from, to: name.startsWith('.') ? absolute(name) : name }))
}

function filesOf (folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts')).map((file) => path.join(folder, file))
}

const files = TREES.flatMap(filesOf)
const imports = files.flatMap(importsOf)
const within = imports.filter(({ to }) => TREES.some((tree) => to.startsWith(`${tree}/`)))
const room = (file: string): string => file.split('/')[1] ?? ''
const storey = (file: string): number => STOREYS.findIndex((rooms) => rooms.includes(room(file)))
const shown = ({ from, to }: Import): string => `${from} imports ${to}`

t.test('the walk sees the imports: plain, of types, and exported', async (t) => {
  t.ok(within.some(({ from, to }) => from === 'src/index.ts' && to === 'src/errors/errors.ts'), 'export * as')
  t.ok(within.some(({ from, to }) => from === 'src/index.ts' && to === 'src/config/target.ts'), 'export type')
  t.ok(within.some(({ from, to }) => from === 'routes/health.ts' && to === 'src/index.ts'), 'import type')
})

t.test('src holds index.ts and the folders of the architecture, and nothing else', async (t) => {
  t.strictSame(readdirSync('src').sort(), STOREYS.flat().sort())
})

t.test('inside src imports only point downwards', async (t) => {
  const upwards = within.filter(({ from, to }) => from.startsWith('src/') && to.startsWith('src/') && room(from) !== room(to) && storey(to) <= storey(from))
  t.strictSame(upwards.map(shown), [])
})

t.test('examples, testing, plugins, routes and src only import from those below them', async (t) => {
  const level = (file: string): number => TREES.indexOf(file.split('/')[0] ?? '')
  t.strictSame(within.filter(({ from, to }) => level(to) < level(from)).map(shown), [])
  const others = imports.filter(({ from, to }) => !from.startsWith('examples/') && /^(\.|test|bench|soak|tools)\b/.test(to))
  t.strictSame(others.map(shown), [], 'what is packed needs nothing that is not')
})

t.test('no file imports itself by way of others', async (t) => {
  const next = new Map(files.map((file) => [file, within.filter(({ from }) => from === file).map(({ to }) => to)]))
  const done = new Set<string>()
  const cycles: string[] = []
  const visit = (file: string, trail: string[]): void => {
    if (trail.includes(file)) {
      cycles.push([...trail.slice(trail.indexOf(file)), file].join(' → '))
      return
    }
    if (done.has(file)) return
    for (const target of next.get(file) ?? []) visit(target, [...trail, file])
    done.add(file)
  }
  for (const file of files) visit(file, [])
  t.strictSame(cycles, [])
})

t.test('only driver/ knows postgres.js, and src knows nothing of a Fastify server', async (t) => {
  t.strictSame(imports.filter(({ from, to }) => to === 'postgres' && !from.startsWith('src/driver/')).map(shown), [])
  t.strictSame(imports.filter(({ from, to }) => from.startsWith('src/') && /^(fastify|fastify-plugin|@fastify\/(?!error$).*)$/.test(to)).map(shown), [])
})

t.test(`no file of src, plugins, routes and testing is longer than ${MOST_LINES} lines, or wider than 140 columns`, async (t) => {
  for (const file of files.filter((file) => !file.startsWith('examples/'))) {
    const lines = readFileSync(file, 'utf8').split('\n')
    t.ok(lines.length - 1 <= MOST_LINES, `${file} has ${lines.length - 1} lines`)
    t.strictSame(lines.flatMap((line, index) => line.length > 140 ? [`${file}:${index + 1}`] : []), [], file)
  }
})

t.test('docs/internals/architecture.md lists the same folders in the same order, each with a sentence', async (t) => {
  const table = readTable(readFileSync('docs/internals/architecture.md', 'utf8'), 'The storeys of `src`', 'storey')
  t.strictSame(table.map(([, folder = '']) => plain(folder)), STOREYS.flat())
  const numbers = STOREYS.flatMap((rooms, index) => rooms.map(() => String(STOREYS.length - index)))
  t.strictSame(table.map(([number]) => number), numbers)
  for (const [, folder, sentence = ''] of table) t.match(sentence, /^[A-Z].*\.$/, folder ?? '')
})

t.test('tests that start a process by another loader keep it out of the coverage', async (t) => {
  const tests = readdirSync('test', { recursive: true, encoding: 'utf8' }).filter((file) => /\.test\.ts$/.test(file))
  t.ok(tests.length > 50)
  const starters = tests.filter((file) => /['(]tsx'/.test(readFileSync(path.join('test', file), 'utf8')))
  for (const file of starters) t.match(readFileSync(path.join('test', file), 'utf8'), 'UNTRACKED', file)
})
