import t from 'tap'

// Before anything looks at the clock, so the rest is imported after it.
process.env['TZ'] = 'America/New_York'
const { testValues } = await import('../support/values.js')

testValues(t, 'America/New_York', 300)
