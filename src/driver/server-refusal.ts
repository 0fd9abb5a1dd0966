import type { ServerErrorFields } from '../errors/error-response.js'

/** An ErrorResponse, as it arrived. What a caller gets is a `ServerError`. */
export class ServerRefusal extends Error {
  // Not enumerable, as it may hold data, SQL and names.
  readonly #fields: ServerErrorFields

  constructor (fields: ServerErrorFields) {
    super('the server refused a statement')
    this.#fields = fields
  }

  get fields (): ServerErrorFields { return this.#fields }
  get code (): string { return this.#fields.code }
}
