import t from 'tap'
import { TapOutput } from '../support/tap-output.js'

const TAP = `TAP version 14
1..2
# Subtest: test/a.test.ts
    # Subtest: a sentence
        ok 1 - one
        1..1
    ok 1 - a sentence # time=5ms
    1..1
ok 1 - test/a.test.ts # time=1802.198ms

# Subtest: test/b.test.ts
    not ok 1 - no | sentence
      ---
      stack: |
        here
      ...
    1..1
not ok 2 - test/b.test.ts # time=58955.969ms
  ---
  stack: |
    there
  ...

---------|---------|
File     | % Lines |
---------|---------|
 src/api |   76.29 |
  a.ts   |     100 |
---------|---------|
json-summary report: /work/.tap/report/coverage-summary.json
# { total: 2, pass: 1, fail: 1 }
# time=90420.906ms`

t.test('a run shows a line for each file and the table of the coverage, and no total of tap', async (t) => {
  const output = new TapOutput()
  const table = TAP.split('\n').filter((line) => /^[- \w./%]+\|.*\|$/.test(line))
  t.equal(table.length, 6)
  const shown = TAP.split('\n').map((line) => output.shown(line)).filter((line) => line !== undefined)
  t.strictSame(shown, ['ok test/a.test.ts (1.8 s)', 'not ok test/b.test.ts (59.0 s)', ...table])
})
