import t from 'tap'
import { excerptOf } from '../../src/errors/statement-excerpt.js'

/** The character above the caret, where each character of the text counts as one, and the number of the caret's line. */
function marked (lines: readonly string[]): [character: string | undefined, line: number] {
  const line = lines.findIndex((each) => /^\s*\^$|^…?[\s\u200b]*\^$/u.test(each))
  const column = [...lines[line] ?? ''].indexOf('^')
  return [[...lines[line - 1] ?? ''][column], line]
}

t.test('a caret stands under the character that the server counts to', async (t) => {
  t.strictSame(excerptOf('SELECT x', 8), ['SELECT x', '       ^'])
  t.strictSame(excerptOf('x', 1), ['x', '^'])
  t.strictSame(excerptOf('SELECT\n  x,\n  y\nFROM t', 15), ['SELECT', '  x,', '  y', '  ^', 'FROM t'])
  t.strictSame(excerptOf('SELECT\n\tx', 9), ['SELECT', '\tx', '\t^'], 'a tab is as wide below')
  t.strictSame(excerptOf('SELECT\r\n  x\r\nFROM t', 11), ['SELECT', '  x', '  ^', 'FROM t'], 'a carriage return counts and is not shown')
  t.strictSame(excerptOf('SELECT (', 9), ['SELECT (', '        ^'], 'the end of the text')
  t.strictSame(excerptOf('a\nb', 2), ['a', ' ^', 'b'], 'the end of a line')
})

t.test('it counts characters, not UTF-16 units, and is as wide as they are', async (t) => {
  for (const before of ['😀', '😀😀 𝒳', '日本語', 'é', 'e\u0301', '👩‍👩‍👧', 'ｗｉｄｅ', '\u{20000}', '한글', 'ß']) {
    const text = `SELECT '${before}', x`
    t.strictSame(marked(excerptOf(text, [...text].length)), ['x', 1], before)
    t.strictSame(marked(excerptOf(`-- ${before}\n${text}\nFROM t`, [...text].length + [...before].length + 4)), ['x', 2], `${before} in a line before`)
  }
})

t.test('a text without a position, or with one that is not in it, is shown as it is', async (t) => {
  for (const position of [undefined, 0, -1, 100, NaN, Infinity]) t.strictSame(excerptOf('SELECT\nx', position), ['SELECT', 'x'], String(position))
  t.strictSame(excerptOf(''), [''])
})

t.test('of a long text there is what is around the position', async (t) => {
  const lines = Array.from({ length: 200 }, (_, index) => `line ${index},`)
  const text = lines.join('\n')
  for (const line of [0, 10, 100, 199]) {
    const shown = excerptOf(text, text.indexOf(`line ${line},`) + 6)
    t.ok(shown.length <= 43, `${shown.length} lines`)
    const [character, at] = marked(shown)
    t.equal(character, String(line).slice(0, 1))
    t.equal(shown[at - 1], `line ${line},`)
    t.equal(shown.at(0) === '…', line > 20)
    t.equal(shown.at(-1) === '…', line < 180)
  }
  const long = `SELECT ${'😀,'.repeat(1000)} nothing${', x'.repeat(1000)}`
  const shown = excerptOf(long, [...long].indexOf('n') + 1)
  t.ok(shown.every((line) => [...line].length <= 202))
  t.strictSame(marked(shown), ['n', 1])
})
