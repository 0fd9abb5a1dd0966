import { Agent, request } from 'node:http'

/** How the requests of one run ended. */
export interface Outcomes {
  /** Complete answers, by status. */
  answered: Map<number, number>
  /** No connection: the server never had the request. */
  refused: number
  /** The connection broke before the first byte of an answer came; for each, for how many milliseconds at most the server had seen it idle; undefined: it was new. */
  unanswered: Array<{ idle: number | undefined, code: string }>
  /** The connection broke in the middle of an answer. */
  cut: number
}

/**
 * `clients` send one request after the other, on connections that are kept alive, until the server is not there
 * any more. As HTTP wants it, a connection is not used again after an answer with `connection: close`.
 */
export async function load (url: string, clients: number): Promise<Outcomes> {
  const outcomes: Outcomes = { answered: new Map(), refused: 0, unanswered: [], cut: 0 }
  const agent = new Agent({ keepAlive: true, maxSockets: clients })
  let gone = false
  await Promise.all(Array.from({ length: clients }, async () => {
    while (!gone) {
      const outcome = await ask(agent, url)
      if (typeof outcome === 'number') outcomes.answered.set(outcome, (outcomes.answered.get(outcome) ?? 0) + 1)
      else if (outcome === 'cut') outcomes.cut++
      else if (outcome.code === 'ECONNREFUSED') {
        outcomes.refused++
        gone = true
      } else outcomes.unanswered.push(outcome)
    }
  }))
  agent.destroy()
  return outcomes
}

/**
 * When a connection was last used for a request: the server sent its answer at some time after that. When the answer was
 * read here says nothing on a busy machine: this process may have been kept from reading it for longer than the notice.
 */
const askedAt = new WeakMap<object, number>()

function ask (agent: Agent, url: string): Promise<number | 'cut' | { idle: number | undefined, code: string }> {
  return new Promise((resolve) => {
    const asked = request(url, { agent }, (response) => {
      response.on('error', () => resolve('cut'))
      response.on('end', () => resolve(response.complete ? response.statusCode ?? 0 : 'cut'))
      response.resume()
    })
    let idle: number | undefined
    asked.on('socket', (socket) => {
      const now = performance.now()
      const since = askedAt.get(socket)
      if (since !== undefined) idle = now - since
      askedAt.set(socket, now)
    })
    asked.on('error', (error) => resolve({ idle, code: 'code' in error ? String(error.code) : error.message }))
    asked.end()
  })
}
