import { pipeline, type Readable, Transform } from 'node:stream'

type WebStream = ReadableStream<Uint8Array>

/** As Fastify tells one. */
export function isResponse (payload: unknown): payload is Response {
  return Object.prototype.toString.call(payload) === '[object Response]'
}

/** Whether a payload is sent piece by piece: a stream of Node's or of the web, or a `Response` with one. */
export function isStream (payload: unknown): payload is Readable | WebStream | Response {
  if (typeof payload !== 'object' || payload === null) return false
  if (isResponse(payload)) return payload.body !== null
  return ('pipe' in payload && typeof payload.pipe === 'function') || ('getReader' in payload && typeof payload.getReader === 'function')
}

/** The same payload, with `end` done after its last byte: if that rejects, it fails. `failed` is called where it does not get there. */
export function afterLastByte (
  payload: Readable | WebStream | Response, end: () => Promise<void>, failed: (error: unknown) => Promise<void>
): Readable | WebStream | Response {
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
