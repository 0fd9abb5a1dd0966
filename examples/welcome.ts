const JSON_BODY = "-H 'content-type: application/json' -d"

/** A request for each route, in an order in which they work on a database that the demo has just filled. */
const REQUESTS = [
  '/',
  '/api/health',
  '/api/health/live',
  '/users',
  '/users/1',
  `/users ${JSON_BODY} '{"name":"Grace Hopper","email":"grace@example.com"}'`,
  `/users/batch ${JSON_BODY} '[{"name":"Alan Turing","email":"alan@example.com"},{"name":"Barbara Liskov","email":"barbara@example.com"}]'`,
  `/users/4 -X PATCH ${JSON_BODY} '{"settings":{"theme":"dark"}}'`,
  '/users/4 -X DELETE',
  '/accounts',
  '/accounts/1',
  `/accounts/transfer ${JSON_BODY} '{"from":1,"to":2,"amount":"12.50"}'`,
]

/** What the demo prints when it listens. */
export function welcome (address: string): string {
  return `
The demo is at ${address}. Try:

${REQUESTS.map((request) => `  curl ${address}${request}`).join('\n')}

Ctrl-C ends it.
`
}
