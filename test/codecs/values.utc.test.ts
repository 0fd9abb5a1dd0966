import t from 'tap'

// Before anything looks at the clock, so the rest is imported after it.
process.env['TZ'] = 'UTC'
const { testValues } = await import('../support/values.js')

testValues(t, 'UTC', 0)
