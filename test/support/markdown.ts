import assert from 'node:assert/strict'
import { cp, mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import ts from 'typescript'

/** A code block of a document. */
export interface Block {
  file: string
  /** The line of its first line of code, from 1. */
  line: number
  language: string
  code: string
  /** What a comment `<!-- test: a; b -->` above it asks for. */
  marks: string[]
}

/** The code blocks of a document. Throws for a fence that is not closed, is indented, or has no language. */
export function readBlocks (file: string, text: string): Block[] {
  const blocks: Block[] = []
  let open: Block | undefined
  let marks: string[] = []
  for (const [index, line] of text.split('\n').entries()) {
    const place = `${file}:${index + 1}`
    if (open !== undefined) {
      if (line === '```') {
        blocks.push(open)
        open = undefined
      } else open.code += line + '\n'
      continue
    }
    if (/^\s*(```|~~~)/.test(line)) {
      const language = /^```([a-z]+)$/.exec(line)?.[1]
      if (language === undefined) throw new Error(`${place}: a code block starts with \`\`\` and a language, at the start of the line`)
      open = { file, line: index + 2, language, code: '', marks }
      marks = []
      continue
    }
    const comment = /^<!-- test: (.+) -->$/.exec(line)
    if (line !== '' && marks.length > 0) throw new Error(`${place}: the comment before it has no code block`)
    if (comment !== null) marks = comment[1]!.split(/;\s*/)
  }
  if (open !== undefined || marks.length > 0) throw new Error(`${file}: the last code block is not complete`)
  return blocks
}

/** The rows below a table's header and the heading above it, by the header of the first column, with their cells. */
export function readTable (text: string, heading: string, firstColumn: string): string[][] {
  const section = text.split(/^(?=#+ )/m).find((part) => part.replace(/^#+ /, '').startsWith(`${heading}\n`))
  assert(section !== undefined, `there is no heading ${heading}`)
  const lines = section.split('\n')
  const rows: string[][] = []
  for (let index = lines.findIndex((line) => line.startsWith(`| ${firstColumn} |`)) + 2; lines[index]?.startsWith('|') === true; index++) {
    rows.push(lines[index]!.slice(1, -1).split('|').map((cell) => cell.trim()))
  }
  assert(rows.length > 0, `there is no table of ${firstColumn} below ${heading}`)
  return rows
}

/** What is in `backquotes`, or the text itself. */
export const plain = (cell: string | undefined): string => cell?.replace(/^`(.*)`$/, '$1') ?? ''

/** What other blocks import a block as, by its mark `module app`. */
export const moduleOf = ({ marks }: Block): string | undefined => marks.find((mark) => mark.startsWith('module '))?.slice('module '.length)

/** Where something in a block is. */
export const placeOf = ({ file, line }: Block): string => `${file}:${line}`

const NAMED = /^(\s*)((?:const|let) (\w+)(?:: [^=]+)? = .+?) \/\/ → (.+)$/
const VALUE = /^(\s*)([^\s/].*?) \/\/ → (.+)$/

/**
 * Turns the comments `// → value` into checks, line by line, so that line numbers stay. Such a line holds a whole
 * expression, or a whole `const name = …`. Throws for one that cannot be checked.
 */
export function withChecks (block: Block): { code: string, checks: number } {
  let checks = 0
  const code = block.code.split('\n').map((line, index) => {
    if (!line.includes('→')) return line
    const named = NAMED.exec(line)
    const value = VALUE.exec(line)
    checks++
    const check = named !== null
      ? `${named[1]}${named[2]}; same(${named[3]}, ${named[4]})`
      : value !== null ? `${value[1]}same(${value[2]}, ${value[3]})` : undefined
    if (check === undefined || syntaxErrors(check).length > 0) throw new Error(`${block.file}:${block.line + index}: this → cannot be checked: it needs a whole expression or const on its line`)
    return check
  }).join('\n')
  return { code, checks }
}

/** Names that blocks may use without importing them. */
const AMBIENT = `
import type { FastifyInstance } from 'fastify'
import type { Database } from 'fastify-postgres-js'
declare global {
  const app: FastifyInstance
  const db: Database
  const same: (actual: unknown, expected: unknown) => void
  interface User { id: number, name: string }
}
`

const root = path.resolve(import.meta.dirname, '../..')
const mapping = { 'fastify-postgres-js': 'plugins/db.ts', 'fastify-postgres-js/plugin': 'plugins/plugin.ts', 'fastify-postgres-js/core': 'src/index.ts', 'fastify-postgres-js/testing': 'testing/index.ts' }

function compilerOptions (): ts.CompilerOptions {
  const file = path.join(root, 'tsconfig.json')
  const { options, errors } = ts.parseJsonConfigFileContent(ts.readConfigFile(file, ts.sys.readFile).config, ts.sys, root)
  assert.deepEqual(errors, [])
  return {
    ...options,
    paths: Object.fromEntries(Object.entries(mapping).map(([name, target]) => [name, [`${root}/${target}`]])),
    // An example may show a name that it does not use.
    noUnusedLocals: false,
    noUnusedParameters: false,
  }
}

function syntaxErrors (code: string): string[] {
  const { diagnostics = [] } = ts.transpileModule(code, { compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext }, reportDiagnostics: true })
  return diagnostics.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))
}

/** Each block is a module, whether it imports something or not: so `await` works at its top, and its names are its own. */
const asModule = (code: string): string => `${code}\nexport {}\n`

/** Type-checks all blocks as one program with the project's own options. Returns the errors, with their places in the documents. */
export function typeErrors (blocks: readonly Block[]): string[] {
  const options = compilerOptions()
  const sources = new Map<string, string>([[path.join(root, 'test/docs/ambient.ts'), AMBIENT]])
  const origin = new Map<string, Block>()
  for (const [index, block] of blocks.entries()) {
    const name = path.join(root, `test/docs/${moduleOf(block) ?? `block-${index}`}.ts`)
    sources.set(name, asModule(withChecks(block).code))
    origin.set(name, block)
  }
  const host = ts.createCompilerHost(options)
  const { fileExists, readFile, getSourceFile } = host
  host.fileExists = (name) => sources.has(name) || fileExists(name)
  host.readFile = (name) => sources.get(name) ?? readFile(name)
  host.getSourceFile = (name, ...rest) => {
    const text = sources.get(name)
    return text === undefined ? getSourceFile(name, ...rest) : ts.createSourceFile(name, text, rest[0])
  }
  const program = ts.createProgram([...sources.keys()], options, host)
  const errors = [...program.getOptionsDiagnostics(), ...program.getGlobalDiagnostics()]
  for (const name of sources.keys()) {
    const source = program.getSourceFile(name)
    errors.push(...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source))
  }
  return errors.map(({ file, start = 0, messageText }) => {
    const block = origin.get(file?.fileName ?? '')
    const line = file === undefined ? 0 : file.getLineAndCharacterOfPosition(start).line
    const place = block === undefined ? file?.fileName ?? 'options' : `${block.file}:${block.line + line}`
    return `${place}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
  })
}

/** The apps that a block has made are found here. */
const APPS = 'appsOfDocs'
/** Instead of Fastify itself: keeps the apps, and writes no log among the results of the tests. */
const FASTIFY = `
import Fastify from 'fastify'
export * from 'fastify'
export default (options = {}) => {
  const app = Fastify(options.logger === true ? { ...options, logger: { level: 'silent' } } : options)
  globalThis.${APPS}.push(app)
  return app
}
`

interface App {
  inject (request: { method: string, url: string, payload?: object }): Promise<{ statusCode: number, body: string }>
  close (): Promise<unknown>
}

/** What a block finds when it runs. */
export interface Surroundings { app: App, db: unknown }

/** Writes blocks as modules into a folder of their own, from where they find the packages of the project. */
export class Workbench {
  readonly folder: string
  #count = 0

  private constructor (folder: string) { this.folder = folder }

  static async create (): Promise<Workbench> {
    await mkdir(path.join(root, '.tap'), { recursive: true })
    const folder = await mkdtemp(path.join(root, '.tap/docs-'))
    await writeFile(path.join(folder, 'fastify.js'), FASTIFY)
    await cp(path.join(root, 'test/fixtures/docs'), folder, { recursive: true }) // what stands beside the code of an example
    return new Workbench(folder)
  }

  /** Runs a block as a module of its own, and then the requests that its marks name. Returns how much was checked. */
  async run (block: Block, { app, db }: Surroundings): Promise<number> {
    const { code, checks } = withChecks(block)
    let done = 0
    const same = (actual: unknown, expected: unknown): void => {
      done++
      assert.deepEqual(actual, expected, `${placeOf(block)}: what is given differs from what the comment says`)
    }
    const apps: App[] = [app]
    Object.assign(globalThis, { app, db, same, [APPS]: apps })
    try {
      const file = path.join(this.folder, `block-${this.#count++}.js`)
      await writeFile(file, this.#emit(code))
      const outcome = await import(pathToFileURL(file).href).then(() => 'resolves', (error: { code?: unknown }) => {
        if (block.marks.includes(`rejects ${String(error.code)}`)) return `rejects ${String(error.code)}`
        throw error
      })
      for (const mark of block.marks) {
        if (mark.startsWith('rejects ')) assert.equal(outcome, mark, placeOf(block))
        else await checkRequest(apps.at(-1)!, mark, block)
      }
      assert.equal(done, checks, `${placeOf(block)}: as many comments were checked as there are`)
      return checks + block.marks.length
    } finally {
      for (const each of apps) await each.close()
    }
  }

  #emit (code: string): string {
    const { outputText } = ts.transpileModule(asModule(code), { compilerOptions: { ...compilerOptions(), module: ts.ModuleKind.ESNext } })
    const targets: Record<string, string> = { fastify: './fastify.js' }
    for (const [name, target] of Object.entries(mapping)) targets[name] = pathToFileURL(path.join(root, target)).href
    return outputText.replace(/^(import\b[^;']*)'([^']+)'/gm, (all, before: string, name: string) => targets[name] === undefined ? all : `${before}'${targets[name]}'`)
  }
}

/** A mark such as `GET /users/1 200` or `POST /users 409 {"name":"Ada"}`. */
async function checkRequest (app: App, mark: string, block: Block): Promise<void> {
  const match = /^(GET|POST|PUT|DELETE) (\/\S*) (\d{3})(?: (\{.*\}))?$/.exec(mark)
  if (match === null) throw new Error(`${placeOf(block)}: unknown mark: ${mark}`)
  const [, method = '', url = '', status, payload] = match
  const response = await app.inject({ method, url, ...(payload !== undefined && { payload: JSON.parse(payload) }) })
  assert.equal(response.statusCode, Number(status), `${placeOf(block)}: ${mark}: ${response.body}`)
}

/** The lines of a shell block that are commands, without their comments. */
export function commandsOf (block: Block): string[] {
  return block.code.split('\n').map((line) => line.replace(/\s+#.*$/, '').trim()).filter((line) => line !== '')
    .flatMap((line) => line.split(/\s*&&\s*/))
}

/** `NAME=value` lines. */
export function variablesOf (block: Block): Array<[name: string, value: string]> {
  return block.code.split('\n').filter((line) => line !== '' && !line.startsWith('#')).map((line) => {
    const match = /^([A-Z_]+)=(.*)$/.exec(line)
    if (match === null) throw new Error(`${placeOf(block)}: not NAME=value: ${line}`)
    return [match[1]!, match[2]!]
  })
}

/** Where a relative link of a document leads nowhere in its folder. */
export async function brokenLinks (file: string, text: string, folder = root): Promise<string[]> {
  const broken: string[] = []
  const prose = text.replace(/^```[^]*?^```$/gm, '').replace(/`[^`\n]*`/g, '')
  for (const [, link = ''] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^https?:/.test(link)) continue
    const [target = '', anchor] = link.split('#')
    const name = target === '' ? file : path.join(path.dirname(file), target)
    const content = await readFile(path.join(folder, name), 'utf8').catch(() => undefined)
    if (content === undefined || (anchor !== undefined && !anchors(content).includes(anchor))) broken.push(`${file}: ${link}`)
  }
  return broken
}

function anchors (text: string): string[] {
  const headings = text.replace(/^```[^]*?^```$/gm, '').match(/^#+ .+$/gm) ?? []
  return headings.map((heading) => heading.replace(/^#+ /, '').toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-'))
}
