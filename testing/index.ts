export { useSandbox, type SandboxApp, type SandboxOptions } from './use-sandbox.js'
export { Sandbox } from './sandbox/sandbox.js'
