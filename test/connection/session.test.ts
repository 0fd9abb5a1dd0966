import t from 'tap'
import { Session } from '../../src/connection/session.js'
import { noteSending } from '../../src/connection/session-changes.js'
import type { TransactionStatus } from '../../src/driver/turn.js'
import { StatementCache } from '../../src/query/statement.js'

/** A session of a server that reports `settings`, and what it does with a call. */
function sessionOf (settings: Record<string, string>) {
  const owner = { transaction: 'none' as TransactionStatus, reported: new Map(Object.entries(settings)), isFreeFor: () => true }
  const session = new Session(owner, 60, 'auto')
  session.begin()
  const call = (text: string, status: TransactionStatus = 'open'): boolean => {
    noteSending({ statement: new StatementCache().get(text), args: [], mode: 'rows', options: {} }, session)
    owner.transaction = status
    session.answered()
    return session.scope === ''
  }
  return { owner, session, call }
}

t.test('up to PostgreSQL 17 the text says what may change the search_path, and until when', (t) => {
  for (const text of ['SET LOCAL search_path TO a', "SELECT set_config('search_path', $1, true)", 'SET LOCAL "search_path" = a', "SET LOCAL SCHEMA 'a'", 'SET LOCAL ROLE a', 'SELECT 1; SET LOCAL search_path TO a']) {
    const { call } = sessionOf({})
    t.equal(call('SELECT 1'), true)
    t.equal(call(text), false, text)
    t.equal(call('SELECT 1'), false, 'in the same transaction')
    t.equal(call('COMMIT', 'none'), true, 'after it')
  }
  for (const text of ['SET search_path TO a', "SELECT set_config('search_path', 'a', false)", 'SET ROLE a', 'SET SESSION AUTHORIZATION a', 'SET LOCAL search_path TO a; SET search_path TO b', 'RESET search_path']) {
    const { call, session } = sessionOf({})
    t.equal(call(text), false, text)
    t.equal(call('SET LOCAL search_path TO a'), false)
    t.equal(call('COMMIT', 'none'), false, 'after the transaction')
    session.wasReset(session.changes, false)
    t.equal(session.scope, '', 'after a reset')
  }
  t.end()
})

t.test('from 18 on the server says so', (t) => {
  const { call, owner, session } = sessionOf({ search_path: '"$user", public' })
  t.equal(call('SET LOCAL search_path TO a'), true, 'the text alone says nothing')
  owner.reported.set('search_path', 'a')
  session.reported()
  t.equal(call('SELECT 1'), false)
  session.wasReset(session.changes, false)
  t.equal(session.scope, undefined)
  owner.reported.set('search_path', '"$user", public')
  session.reported()
  t.equal(call('SELECT 1'), true)
  owner.reported.set('search_path', 'b')
  session.reported()
  session.begin()
  t.equal(session.scope, '', 'what onConnect has set is what is usual')
  t.end()
})

t.test('a role is not reported: the text says it, on 18 too', (t) => {
  for (const text of ['SET LOCAL ROLE a', "SELECT set_config('role', $1, true)", 'SET LOCAL search_path TO a; SET LOCAL ROLE b']) {
    const { call, owner, session } = sessionOf({ search_path: 'public' })
    for (const path of ['public', 'a']) {
      owner.reported.set('search_path', path)
      session.reported()
      t.equal(call(text), false, text)
      owner.reported.set('search_path', 'public')
      session.reported()
      t.equal(call('SELECT 1'), false, 'in the same transaction')
      t.equal(call('COMMIT', 'none'), true, 'after it')
    }
  }
  const { call, session } = sessionOf({ search_path: 'public' })
  t.equal(call('SET ROLE a', 'none'), false)
  t.equal(call('SET LOCAL ROLE b'), false)
  t.equal(call('COMMIT', 'none'), false)
  session.wasReset(session.changes, false)
  t.equal(call('SELECT 1'), true, 'after a reset')
  t.end()
})

t.test('a session is dirty until what was run up to then is undone', (t) => {
  const { call, session } = sessionOf({})
  call('SELECT 1', 'none')
  t.equal(session.isDirty, false)
  call('SELECT f()', 'none')
  const { changes } = session
  call('SET a.b = 1', 'none')
  session.wasReset(changes, false)
  t.equal(session.isDirty, true, 'something came after it')
  session.wasReset(session.changes, true)
  t.match(session, { isDirty: true, isBare: true }, 'onConnect has yet to run')
  session.begin()
  t.equal(session.isDirty, false)
  t.end()
})
