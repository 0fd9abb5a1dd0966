/**
 * What is shown of the TAP that a whole run writes: a line for each file when it is done, and the table of the coverage. What failed
 * is told at the end, with one total (test/run.ts): tap's own is left out.
 */
export class TapOutput {
  #isInTable = false

  /** What to print for the next line, if anything. */
  shown (line: string): string | undefined {
    const [, result, file, milliseconds] = /^((?:not )?ok) \d+ - (.*?)(?: # time=([\d.]+)ms)?(?: \{)?$/.exec(line) ?? []
    if (result !== undefined) {
      this.#isInTable = false
      return `${result} ${file}${milliseconds === undefined ? '' : ` (${(Number(milliseconds) / 1000).toFixed(1)} s)`}`
    }
    if (/^-+\|/.test(line)) this.#isInTable = true
    return this.#isInTable && line.includes('|') ? line : undefined
  }
}
