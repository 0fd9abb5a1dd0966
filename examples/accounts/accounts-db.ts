import createError from '@fastify/error'
import type { Queryable } from '../../plugins/db.js'

export interface Account {
  id: number
  user_id: number
  /** A string, as amounts of money are: 0.1 + 0.2 is not 0.3 in floating point. */
  balance: string
}

export interface Transfer { from: number, to: number, amount: string }

export const AccountNotFoundError = createError<[number]>('DEMO_ACCOUNT_NOT_FOUND', 'there is no account %d', 404)
export const SameAccountError = createError('DEMO_SAME_ACCOUNT', 'a transfer takes two different accounts', 400)
export const InsufficientFundsError = createError<[number]>('DEMO_INSUFFICIENT_FUNDS', 'account %d does not hold that much: nothing was moved', 422)

const COLUMNS = 'id, user_id, balance'

/** What is done with accounts, on a pool or inside a transaction. */
export function createAccountsRepository (db: Queryable) {
  return {
    list (limit: number, offset: number): Promise<Account[]> {
      return db.fetchAll<Account>(`SELECT ${COLUMNS} FROM accounts ORDER BY id LIMIT $1 OFFSET $2`, limit, offset)
    },

    async find (id: number): Promise<Account> {
      return found(id, await db.fetchOne<Account>(`SELECT ${COLUMNS} FROM accounts WHERE id = $1`, id))
    },

    /** Moves money, or throws and moves nothing. Returns both accounts as they are then. */
    async transfer ({ from, to, amount }: Transfer): Promise<{ from: Account, to: Account }> {
      if (from === to) throw new SameAccountError()
      return await db.transaction(async (tx) => {
        // In the order of their ids, whichever way the money goes: opposite transfers would wait for each other.
        const locked = await tx.fetchAll<Account>('SELECT id FROM accounts WHERE id IN ($1, $2) ORDER BY id FOR UPDATE', from, to)
        for (const id of [from, to]) if (!locked.some((account) => account.id === id)) throw new AccountNotFoundError(id)

        const payer = await tx.executeWithReturning<Account>(
          `UPDATE accounts SET balance = balance - $1 WHERE id = $2 AND balance >= $1 RETURNING ${COLUMNS}`, amount, from)
        if (payer === null) throw new InsufficientFundsError(from)
        const payee = await tx.executeWithReturning<Account>(
          `UPDATE accounts SET balance = balance + $1 WHERE id = $2 RETURNING ${COLUMNS}`, amount, to)
        return { from: payer, to: found(to, payee) }
      })
    },
  }
}

export type AccountsRepository = ReturnType<typeof createAccountsRepository>

function found (id: number, account: Account | null): Account {
  if (account === null) throw new AccountNotFoundError(id)
  return account
}
