import { pipeline, type Readable, Transform } from 'node:stream'

type WebStream = ReadableStream<Uint8Array>
/** What is sent piece by piece. */
export type Stream = Readable | WebStream | Response

/** As Fastify tells one. */
export function isResponse (payload: unknown): payload is Response {
  return Object.prototype.toString.call(payload) === '[object Response]'
}

/** Whether a payload is sent piece by piece: a stream of Node's or of the web, or a `Response` with one. */
export function isStream (payload: unknown): payload is Stream {
  if (typeof payload !== 'object' || payload === null) return false
  if (isResponse(payload)) return payload.body !== null
  return ('pipe' in payload && typeof payload.pipe === 'function') || ('getReader' in payload && typeof payload.getReader === 'function')
}

/** The same payload, with `end` done after its last byte: if that rejects, it fails. `failed` is called where it does not get there. */
export function afterLastByte (
  payload: Stream, end: () => Promise<void>, failed: (error: unknown) => Promise<void>
): Stream {
  if (isResponse(payload)) {
    if (payload.body === null) return payload
    const { status, statusText, headers } = payload
    return new Response(webStream(payload.body, end, failed), { status, statusText, headers })
  }
  if ('getReader' in payload) return webStream(payload, end, failed)
  const copy = new Transform({
    transform (chunk, _encoding, done) { done(null, chunk) },
    flush (done) { end().then(() => done(), done) },
  })
  pipeline(payload, copy, (error) => { if (error) failed(error).catch(() => {}) })
  return copy
}

/** Whether nobody has begun to read it. */
export function isUnread (payload: Stream): boolean {
  if (isResponse(payload)) return payload.body?.locked !== true
  return 'getReader' in payload ? !payload.locked : payload.readableFlowing === null && payload.listenerCount('readable') === 0
}

/** Ends what nobody reads, and its source. */
export function discard (payload: Stream): void {
  if (isResponse(payload)) payload.body?.cancel().catch(() => {})
  else if ('getReader' in payload) payload.cancel().catch(() => {})
  else payload.destroy()
}

function webStream (source: WebStream, end: () => Promise<void>, failed: (error: unknown) => Promise<void>): WebStream {
  const reader = source.getReader()
  return new ReadableStream<Uint8Array>({
    async pull (controller) {
      try {
        const { done, value } = await reader.read()
        if (!done) return controller.enqueue(value)
        await end()
        controller.close()
      } catch (error) {
        await failed(error)
        throw error
      }
    },
    async cancel (reason) {
      await failed(reason)
      await reader.cancel(reason)
    },
  }, { highWaterMark: 0 })
}
