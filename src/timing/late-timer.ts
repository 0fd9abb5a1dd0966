/** Milliseconds by which a timer is late only where this process was busy with something else. */
const BUSY = 100

/** Whether a timer that was due then, and goes off now, is late because the process was busy: it has not had time to read an answer. */
export function wasBusySince (due: number): boolean {
  return performance.now() - due > BUSY
}
