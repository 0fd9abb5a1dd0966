import createError from '@fastify/error'
import { isUniqueViolation, type Queryable } from '../../plugins/db.js'

export interface User {
  id: number
  name: string
  email: string
  settings: Record<string, unknown>
  created_at: Date
}

export interface NewUser {
  name: string
  email: string
  settings?: Record<string, unknown>
}

export const UserNotFoundError = createError<[number]>('DEMO_USER_NOT_FOUND', 'there is no user %d', 404)
export const EmailTakenError = createError('DEMO_EMAIL_TAKEN', 'a user with this e-mail address exists already', 409)

const COLUMNS = 'id, name, email, settings, created_at'
const INSERT = `INSERT INTO users (name, email, settings) VALUES ($1, $2, $3) RETURNING ${COLUMNS}`

/** What is done with users, on a pool or inside a transaction. */
export function createUsersRepository (db: Queryable) {
  return {
    list (limit: number, offset: number): Promise<User[]> {
      return db.fetchAll<User>(`SELECT ${COLUMNS} FROM users ORDER BY id LIMIT $1 OFFSET $2`, limit, offset)
    },

    async find (id: number): Promise<User> {
      return found(id, await db.fetchOne<User>(`SELECT ${COLUMNS} FROM users WHERE id = $1`, id))
    },

    async create (user: NewUser): Promise<User> {
      const created = await db.executeWithReturning<User>(INSERT, ...toRow(user)).catch(refuseTakenEmail)
      if (created === null) throw new Error('INSERT … RETURNING gave no row')
      return created
    },

    /** All of them or none, in the given order. */
    createMany (users: readonly NewUser[]): Promise<User[]> {
      return db.executeManyWithReturning<User>(INSERT, users.map(toRow)).catch(refuseTakenEmail)
    },

    /** Changes what is given. */
    async update (id: number, { name = null, email = null, settings = null }: { [Key in keyof NewUser]?: NewUser[Key] | null }): Promise<User> {
      return found(id, await db.executeWithReturning<User>(
        `UPDATE users SET name = coalesce($2, name), email = coalesce($3, email), settings = coalesce($4, settings)
         WHERE id = $1 RETURNING ${COLUMNS}`,
        id, name, email, settings).catch(refuseTakenEmail))
    },

    async remove (id: number): Promise<void> {
      const { count } = await db.execute('DELETE FROM users WHERE id = $1', id)
      if (count === 0) throw new UserNotFoundError(id)
    },
  }
}

export type UsersRepository = ReturnType<typeof createUsersRepository>

function toRow ({ name, email, settings = {} }: NewUser): unknown[] {
  return [name, email, settings]
}

function found (id: number, user: User | null): User {
  if (user === null) throw new UserNotFoundError(id)
  return user
}

/** The index on e-mail addresses decides: looking first would let two requests at once both find nothing. */
function refuseTakenEmail (error: unknown): never {
  if (isUniqueViolation(error, 'users_email_key')) throw new EmailTakenError()
  throw error
}
