import t from 'tap'
import { Lag } from '../../src/query/latency.js'
import { Latency } from '../../src/query/latency.js'

/** A run by itself, in a process that has nothing else to do. */
function took (pace: Latency, milliseconds: number): void {
  pace.took(milliseconds, milliseconds, new Lag())
}

/** Runs that it takes until it is quick again. */
function runsUntilQuick (pace: Latency): number {
  for (let runs = 0; runs < 1000; runs++) {
    if (pace.isQuick) return runs
    took(pace, 0.2)
  }
  return Infinity
}

t.test('a statement that was never run is not quick; one quick run makes it so', async (t) => {
  const pace = new Latency()
  t.equal(pace.isQuick, false)
  took(pace, 0.2)
  t.equal(pace.isQuick, true)
  t.equal(pace.estimate, 0.2)
})

t.test('the estimate is what it took with good luck recently', async (t) => {
  const pace = new Latency()
  for (const milliseconds of [2, 0.2, 3, 0.5]) took(pace, milliseconds)
  t.ok(pace.estimate >= 0.2 && pace.estimate < 0.4, `${pace.estimate}`)
  for (let i = 0; i < 200; i++) took(pace, 1)
  t.ok(pace.estimate > 0.9)
})

t.test('of those that travel together each costs its share', async (t) => {
  const pace = new Latency()
  pace.took(0.8, 0.8, new Lag())
  pace.took(0.01, 0.4, new Lag())
  t.equal(pace.estimate, 0.4)
})

t.test('one slow run is noticed at once, and a few quick ones make up for it', async (t) => {
  const pace = new Latency()
  took(pace, 0.2)
  took(pace, 200)
  t.equal(pace.isQuick, false)
  t.equal(runsUntilQuick(pace), 4)
})

t.test('slow answers to what was sent in one moment count once', async (t) => {
  const pace = new Latency()
  took(pace, 0.2)
  for (let i = 0; i < 20; i++) took(pace, 50)
  t.equal(runsUntilQuick(pace), 4)
})

t.test('one that is slow again and again is trusted less each time, until it was quick for long', async (t) => {
  const pace = new Latency()
  took(pace, 0.2)
  const runs = Array.from({ length: 9 }, () => {
    took(pace, 50)
    return runsUntilQuick(pace)
  })
  t.same(runs, [4, 8, 16, 32, 64, 128, 256, 256, 256])
  for (let i = 0; i < 64 * 10; i++) took(pace, 0.2)
  took(pace, 50)
  t.equal(runsUntilQuick(pace), 4)
})

t.test('where all quick statements are late, the process is busy: that is no reason to distrust one', async (t) => {
  const pace = new Latency()
  const lag = new Lag()
  pace.took(0.2, 0.2, lag)
  for (let i = 0; i < 1000; i++) pace.took(i / 100, 0.2, lag)
  t.equal(pace.isQuick, true, 'up to 10 ms late, little by little')
  t.ok(lag.milliseconds > 5 && lag.milliseconds < 10, `${lag.milliseconds}`)
  pace.took(200, 200, lag)
  t.equal(pace.isQuick, false, 'but 200 ms are more than that')
  for (let i = 0; i < 4; i++) pace.took(10, 0.2, lag)
  t.equal(pace.isQuick, true)
})
