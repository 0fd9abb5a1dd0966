import { spawn, type ChildProcessByStdio } from 'node:child_process'
import type { Readable } from 'node:stream'

/**
 * For the environment of processes that a test spawns: tap follows them into its coverage, where code that was compiled
 * by another loader (tsx, in one line) spoils the figures of the same files.
 */
export const UNTRACKED = {
  NODE_OPTIONS: '',
  NODE_V8_COVERAGE: undefined,
  _TAPJS_PROCESSINFO_COVERAGE_: '0',
  _TAPJS_PROCESSINFO_EXCLUDE_: '/./',
}

/** Runs a module, given as text, in a process of its own; `from './src/index.ts'` is the project's. */
export function runScript (source: string, env: NodeJS.ProcessEnv = {}): ChildProcessByStdio<null, Readable, Readable> {
  return spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', source], {
    env: { ...process.env, ...UNTRACKED, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}
