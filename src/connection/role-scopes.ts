/** Roles of which one connection has prepared statements. Those of further ones go unprepared. */
const MOST_ROLES = 100
/** No text of a user ends with it, and to the server it is a blank. */
const MARK = '\f'

/**
 * The roles of transactions' settings on one connection, each with the mark behind the texts of its prepared statements. A role
 * has its own, because whether it may use a schema (or a function that is inlined) is checked when a statement is prepared, and
 * not when it is run; and because `"$user"` in the search_path may be another schema. The driver tells them apart by their texts.
 */
export class RoleScopes {
  readonly #scopes = new Map<string, string>()

  /** Undefined for one role too many. */
  of (role: string): string | undefined {
    let scope = this.#scopes.get(role)
    if (scope === undefined && this.#scopes.size < MOST_ROLES) {
      scope = MARK.repeat(this.#scopes.size + 1)
      this.#scopes.set(role, scope)
    }
    return scope
  }
}
