import t from 'tap'
import { medianInterval } from '../../bench/against/interval.js'
import type { Result, Side, Target } from '../../bench/case.js'
import { figures, median, quotients, spread, timesAsGood, verdict } from '../../bench/report/statistics.js'
import type { Measured } from '../../bench/work.js'

t.test('the spread of some figures: the median, the least and the greatest, in whatever order they come', async (t) => {
  t.strictSame(spread([3, 1, 10]), { median: 3, min: 1, max: 10 })
  t.strictSame(spread([10, 9, 2, 1]), { median: 5.5, min: 1, max: 10 }, 'by their size, and between two in the middle')
  t.strictSame(spread([7]), { median: 7, min: 7, max: 7 })
  t.strictSame(spread([]), { median: NaN, min: NaN, max: NaN })
  t.equal(median([5, 100, 20]), 20)
  const given = [2, 1]
  spread(given)
  t.strictSame(given, [2, 1], 'what was given stays as it is')
})

/** A result of rounds in which `ours` and `theirs` took turns. */
function result (...rounds: Array<readonly [ours: Measured, theirs: Measured]>): Result {
  const side = (label: string): Side => ({ label, contender: label, work: {} as Side['work'] })
  return { item: { title: 'a case', note: '', sides: [side('ours'), side('theirs')], targets: [] }, rounds }
}

const twice = result([{ rate: 200, time: 5 }, { rate: 100, time: 20 }], [{ rate: 90, time: 8 }, { rate: 30, time: 16 }])

t.test('figures are those of one side in all rounds, and quotients those of two within each', async (t) => {
  t.strictSame(figures(twice, 'ours', 'rate'), [200, 90])
  t.strictSame(figures(twice, 'theirs', 'time'), [20, 16])
  t.strictSame(figures(twice, 'nobody', 'rate'), [])
  t.strictSame(figures(twice, 'ours', 'heap'), [], 'a measure that it does not have')
  t.strictSame(quotients(twice, 'ours', 'theirs', 'rate'), [2, 3])
  t.strictSame(quotients(twice, 'theirs', 'ours', 'rate'), [0.5, 1 / 3])
  t.strictSame(quotients(twice, 'ours', 'nobody', 'rate'), [])
})

t.test('times as good is the quotient of rates, and the inverse one of what should be low', async (t) => {
  t.strictSame(timesAsGood(twice, 'ours', 'theirs', 'rate'), [2, 3])
  t.strictSame(timesAsGood(twice, 'ours', 'theirs', 'time'), [4, 2])
})

t.test('the median of the rounds decides a target, which the words name', async (t) => {
  const of = 'ours'
  const against = 'theirs'
  const decided = (target: Target): unknown[] => {
    const { work, target: words, ratio, reached } = verdict(twice, target)
    t.equal(work, 'a case')
    return [words, ratio?.median, reached]
  }
  t.strictSame(decided({ of, measure: 'rate', against, least: 2.5 }), ['at least 2.5 × the rate of theirs', 2.5, true])
  t.strictSame(decided({ of, measure: 'rate', against, least: 2.51 }), ['at least 2.51 × the rate of theirs', 2.5, false])
  t.strictSame(decided({ of, measure: 'time', against, least: 3 }), ['time at least 3 × lower than theirs', 3, true])
  t.strictSame(decided({ of, measure: 'time', against, least: 10 }), ['time at least 10 × lower than theirs', 3, false])
  t.strictSame(decided({ of, measure: 'time', against, most: 0.375 }), ['at most 0.38 × the time of theirs', 0.375, true])
  t.strictSame(decided({ of, measure: 'time', against, most: 0.37 }), ['at most 0.37 × the time of theirs', 0.375, false])
  t.strictSame(decided({ of, measure: 'time', below: 6.5 }), ['time below 6.5 ms', 6.5, false])
  t.strictSame(decided({ of, measure: 'time', below: 20 }), ['time below 20 ms', 6.5, true])
  t.strictSame(verdict(twice, { of, measure: 'rate', against: 'nobody', least: 1 }), { work: 'a case', target: 'at least 1 × the rate of nobody' },
    'a side that was left out decides nothing')
})

t.test('the interval of a median, by order statistics', async (t) => {
  // Of n figures, the k least are all below the median with a probability of the sum of the binomials up to k, over 2 ** n.
  t.strictSame(medianInterval([10, 9, 8, 7, 6, 5, 4, 3, 2, 1]), { median: 5.5, low: 2, high: 9, confidence: 1 - 2 * 11 / 1024 })
  t.strictSame(medianInterval([6, 5, 4, 3, 2, 1]), { median: 3.5, low: 1, high: 6, confidence: 1 - 2 / 64 })
  t.strictSame(medianInterval([3, 1, 2]), { median: 2, low: 1, high: 3, confidence: 0.75 }, 'too few: how sure it is instead')
  t.strictSame(medianInterval([4]), { median: 4, low: 4, high: 4, confidence: 0 })
  const twenty = medianInterval(Array.from({ length: 20 }, (_, index) => index))
  t.strictSame([twenty.low, twenty.high], [5, 14])
  t.ok(Math.abs(twenty.confidence - 0.958611) < 1e-6, String(twenty.confidence))
})
