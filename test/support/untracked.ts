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
