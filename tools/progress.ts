const WIDTH = 24

/** One line with a bar that is drawn over itself; where there is no terminal, a line for each tenth of the way. */
export function showProgress (done: number, total: number, text: string): void {
  if (process.stderr.isTTY) {
    const full = Math.round(done / total * WIDTH)
    process.stderr.write(`\r\x1b[K${'█'.repeat(full)}${'░'.repeat(WIDTH - full)} ${done}/${total} ${text}`.slice(0, process.stderr.columns + 4))
  } else if (done % Math.max(1, Math.floor(total / 10)) === 0) {
    process.stderr.write(`${done}/${total} ${text}\n`)
  }
}

export function clearProgress (): void {
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
}
