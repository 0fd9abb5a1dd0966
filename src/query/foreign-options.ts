/** What people bring along in the object of a query, and what to write instead. */
const ANSWERS: Readonly<Record<string, string>> = {
  name: 'leave it out, statements are prepared by themselves from their second use on, or with prepare: true at their first',
  rowMode: "write rows: 'array'",
  types: 'leave it out, values are read by the types of their columns: cast in the text ("at::text"), ' +
    'or use a tag of your own, db.createSql({ types })',
  binary: 'leave it out, values travel as text',
  queryMode: 'leave it out, every single statement goes by the extended protocol',
  portal: 'leave it out, and write limit for the first rows of a result',
  query_timeout: 'write timeout, in seconds',
  statement_timeout: 'write timeout, in seconds',
  callback: 'leave it out, every helper gives a promise',
  submit: 'cursors and streams are not offered: keep a connection of pg for these',
  sql: 'write text',
  query: 'write text',
  params: 'write values',
  parameters: 'write values',
  bindings: 'write values',
  args: 'write values',
  strings: 'pass { text: query.text, values: query.values } of an object that a library for templates has made',
  maxRows: 'write limit',
}

/** What to do instead of an option of another library's; undefined where nothing is known of it. */
export function answerTo (name: string): string | undefined {
  return Object.hasOwn(ANSWERS, name) ? ANSWERS[name] : undefined
}
