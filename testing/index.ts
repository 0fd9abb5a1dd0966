export { startPostgres, type StartPostgresOptions, type TestPostgres } from './postgres/start-postgres.js'
export { Sandbox } from './sandbox/sandbox.js'
export { useSandbox, type SandboxApp, type SandboxOptions } from './use-sandbox.js'
