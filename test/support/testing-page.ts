import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import ts from 'typescript'
import { moduleOf, readBlocks } from './markdown.js'

/** How a test file of docs/testing.md is run: its arguments to node, and what is printed when all passed. */
export interface Runner { name: string, args: string[], passed: RegExp }

export const RUNNERS: readonly Runner[] = [
  { name: 'node:test', args: ['--test', 'node.test.js'], passed: /pass 2\n(?:.*\n)*.*fail 0/ },
  { name: 'tap', args: ['node_modules/tap/dist/esm/run.mjs', '--disable-coverage', '--reporter=tap', 'tap.test.js'], passed: /^# \{ total: 2, pass: 2 \}/m },
  { name: 'vitest', args: ['node_modules/vitest/vitest.mjs', 'run', '--root=.', '--reporter=verbose', '--no-cache', 'vitest.test.js'], passed: /Tests\s+2 passed/ },
]

/** Writes the app and the test files of docs/testing.md into a project. */
export async function writeTestingPage (folder: string): Promise<void> {
  const file = 'docs/testing.md'
  const blocks = readBlocks(file, await readFile(file, 'utf8'))
  const write = async (name: string, code: string): Promise<void> => {
    const { outputText } = ts.transpileModule(code, { compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext } })
    await writeFile(path.join(folder, name), outputText)
  }
  for (const block of blocks) {
    const name = moduleOf(block)
    if (name !== undefined) await write(`${name}.js`, block.code)
  }
  for (const { name, args } of RUNNERS) {
    const [block, ...others] = blocks.filter(({ marks }) => marks.includes(`run by ${name}`))
    if (block === undefined || others.length > 0) throw new Error(`${file} has not one block that is run by ${name}`)
    await write(args.at(-1) ?? '', block.code)
  }
}
