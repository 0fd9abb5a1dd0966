import { readdir, readFile } from 'node:fs/promises'
import t from 'tap'
import { plain, readTable } from '../support/markdown.js'

/** The numbers of the cases that the names of tests mention, as in `(case 7)` and `(cases 15, 16)`, and in which files. */
async function testedCases (): Promise<Map<number, Set<string>>> {
  const tested = new Map<number, Set<string>>()
  for (const file of await readdir('test', { recursive: true })) {
    if (!file.endsWith('.ts')) continue
    const text = await readFile(`test/${file}`, 'utf8')
    for (const [, numbers = ''] of text.matchAll(/test\(['`][^\n]*\(cases? ([\d, ]+)\)['`]/g)) {
      for (const number of numbers.split(',').map(Number)) tested.set(number, (tested.get(number) ?? new Set()).add(`test/${file}`))
    }
  }
  return tested
}

t.test('docs/reliability.md says of each of the 50 cases which test shows it', async (t) => {
  const tested = await testedCases()
  const documented = readTable(await readFile('docs/reliability.md', 'utf8'), 'The 50 cases', '#')
  t.strictSame(documented.map(([number]) => Number(number)), Array.from({ length: 50 }, (_, index) => index + 1))
  for (const [number, , cell] of documented) {
    const files = (cell ?? '').split(', ').map(plain)
    t.strictSame(files.sort(), [...tested.get(Number(number)) ?? []].sort(), `case ${number}`)
  }
})
