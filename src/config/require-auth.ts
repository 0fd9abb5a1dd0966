/** Ways to authenticate, by libpq's names. */
export type AuthMethod = 'password' | 'md5' | 'scram-sha-256' | 'gss' | 'sspi' | 'oauth' | 'none'

const METHODS: readonly string[] = ['password', 'md5', 'scram-sha-256', 'gss', 'sspi', 'oauth', 'none'] satisfies AuthMethod[]

/** libpq's `require_auth`: methods that are accepted, or, each with a `!` before it, those that are not. Undefined if it is none. */
export function readRequireAuth (text: string): ReadonlySet<AuthMethod> | undefined {
  const names = text.split(',').map((name) => name.trim())
  const isNegated = names.every((name) => name.startsWith('!'))
  const listed = isNegated ? names.map((name) => name.slice(1)) : names
  if (new Set(listed).size !== listed.length || !listed.every(isMethod)) return undefined
  return new Set(isNegated ? METHODS.filter(isMethod).filter((method) => !listed.includes(method)) : listed)
}

function isMethod (name: string): name is AuthMethod { return METHODS.includes(name) }

/** Whether a method is accepted; without a list every one is. */
export function allows (methods: ReadonlySet<AuthMethod> | undefined, method: AuthMethod): boolean {
  return methods === undefined || methods.has(method)
}

export const REQUIRE_AUTH = `libpq's require_auth: ${METHODS.join(', ')}, several with commas, or each with a ! before it`
