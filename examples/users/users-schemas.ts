const name = { type: 'string', minLength: 1, maxLength: 200 } as const
const email = { type: 'string', format: 'email', maxLength: 320 } as const
const settings = { type: 'object', additionalProperties: true } as const

export const newUser = {
  type: 'object',
  required: ['name', 'email'],
  additionalProperties: false,
  properties: { name, email, settings },
} as const

export const userChanges = { ...newUser, required: [], minProperties: 1 } as const

export const newUsers = { type: 'array', minItems: 1, maxItems: 1000, items: newUser } as const

// What goes out may have come into the table by another way, so it is described and not checked.
export const user = {
  type: 'object',
  required: ['id', 'name', 'email', 'settings', 'created_at'],
  properties: {
    id: { type: 'integer' },
    name: { type: 'string' },
    email: { type: 'string' },
    settings,
    created_at: { type: 'string', format: 'date-time' },
  },
} as const

export const users = { type: 'array', items: user } as const
