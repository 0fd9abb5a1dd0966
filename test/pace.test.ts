import t from 'tap'
import { Pace } from '../src/pace.js'

/** Runs that it takes until it is quick again. */
function runsUntilQuick (pace: Pace): number {
  for (let runs = 0; runs < 1000; runs++) {
    if (pace.isQuick) return runs
    pace.took(0.2)
  }
  return Infinity
}

t.test('a statement that was never run is not quick; one quick run makes it so', async (t) => {
  const pace = new Pace()
  t.equal(pace.isQuick, false)
  pace.took(0.2)
  t.equal(pace.isQuick, true)
  t.equal(pace.estimate, 0.2)
})

t.test('the estimate is what it took with good luck of late', async (t) => {
  const pace = new Pace()
  for (const milliseconds of [2, 0.2, 3, 0.5]) pace.took(milliseconds)
  t.ok(pace.estimate >= 0.2 && pace.estimate < 0.4, `${pace.estimate}`)
  for (let i = 0; i < 200; i++) pace.took(1)
  t.ok(pace.estimate > 0.9)
})

t.test('of those that travel together each costs its share', async (t) => {
  const pace = new Pace()
  pace.took(0.8, 0.8)
  pace.took(0.01, 0.4)
  t.equal(pace.estimate, 0.4)
})

t.test('one slow run is noticed at once, and a few quick ones make up for it', async (t) => {
  const pace = new Pace()
  pace.took(0.2)
  pace.took(200)
  t.equal(pace.isQuick, false)
  t.equal(runsUntilQuick(pace), 4)
})

t.test('slow answers to what was sent in one moment count once', async (t) => {
  const pace = new Pace()
  pace.took(0.2)
  for (let i = 0; i < 20; i++) pace.took(50)
  t.equal(runsUntilQuick(pace), 4)
})

t.test('one that is slow again and again is trusted less each time, until it was quick for long', async (t) => {
  const pace = new Pace()
  pace.took(0.2)
  const runs = Array.from({ length: 9 }, () => {
    pace.took(50)
    return runsUntilQuick(pace)
  })
  t.same(runs, [4, 8, 16, 32, 64, 128, 256, 256, 256])
  for (let i = 0; i < 64 * 10; i++) pace.took(0.2)
  pace.took(50)
  t.equal(runsUntilQuick(pace), 4)
})
