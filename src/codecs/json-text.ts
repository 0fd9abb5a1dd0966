/** JSON that is text already: it is sent as it is, where another string would be a JSON string. */
export class JsonText {
  readonly #text: string

  constructor (text: string) { this.#text = text }

  /** Not a field, which printing it would show. */
  get text (): string { return this.#text }

  /** Inside other JSON it is what it stands for. */
  toJSON (): unknown { return JSON.parse(this.#text) }
}
