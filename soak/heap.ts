import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Findings } from './findings.js'
import { HEAP_GROWTH } from './settings.js'

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

/** Looks at the heap now and then, after a full collection. */
export class Heap {
  /** Bytes in use. */
  readonly #samples: number[] = []
  readonly #timer: NodeJS.Timeout

  constructor (everySeconds: number) {
    this.#timer = setInterval(() => this.#look(), everySeconds * 1000)
  }

  #look (): void {
    collect()
    this.#samples.push(process.memoryUsage().heapUsed)
  }

  stop (): void { clearInterval(this.#timer) }

  /** The medians of the first and of the last third, in words. Says if the heap grew. */
  check (findings: Findings): string {
    const third = Math.floor(this.#samples.length / 3)
    if (third === 0) return 'too short to tell'
    const first = median(this.#samples.slice(0, third))
    const last = median(this.#samples.slice(-third))
    const text = `${megabytes(first)} → ${megabytes(last)} (medians of ${third} each; ${Math.round((HEAP_GROWTH.factor - 1) * 100)} % and ${megabytes(HEAP_GROWTH.bytes)} are allowed)`
    if (last > first * HEAP_GROWTH.factor + HEAP_GROWTH.bytes) findings.add('heap', text)
    return text
  }
}

function median (numbers: number[]): number {
  return numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0
}

function megabytes (bytes: number): string { return `${(bytes / 1e6).toFixed(1)} MB` }
