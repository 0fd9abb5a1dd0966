import crypto from 'node:crypto'
import t from 'tap'
import { SaltedPasswords, ScramExchange } from '../../src/protocol/scram.js'

/** The server's side of RFC 5802, for what the exchange sends. */
function serverSide (password: string, salt: Buffer, iterations: number, first: string, nonce: string): { challenge: string, verify: (final: string) => string } {
  const bare = first.slice(3)
  const hmac = (key: Buffer, text: string): Buffer => crypto.createHmac('sha256', key).update(text).digest()
  const salted = crypto.pbkdf2Sync(password, salt, iterations, 32, 'sha256')
  const challenge = `r=${bare.slice('n=,r='.length)}${nonce},s=${salt.toString('base64')},i=${iterations}`
  return {
    challenge,
    verify: (final) => {
      const [withoutProof = '', proof = ''] = final.split(',p=')
      const message = `${bare},${challenge},${withoutProof}`
      const clientKey = hmac(salted, 'Client Key')
      const stored = crypto.createHash('sha256').update(clientKey).digest()
      const signature = hmac(stored, message)
      const given = Buffer.from(proof, 'base64').map((byte, index) => byte ^ (signature[index] ?? 0))
      if (!Buffer.from(given).equals(clientKey)) throw new Error('the proof is wrong')
      return `v=${hmac(hmac(salted, 'Server Key'), message).toString('base64')}`
    },
  }
}

t.test('an exchange of SCRAM', async (t) => {
  const salt = Buffer.from('salt of sixteen!')
  const begin = (): { exchange: ScramExchange, first: string } => {
    const exchange = new ScramExchange()
    return { exchange, first: exchange.first() }
  }

  t.test('proves the password to the server, and the server to us', async (t) => {
    for (const [password, prepared] of [['pencil', 'pencil'], ['I\u00adX', 'IX'], ['\u2168', 'IX'], ['tab\t', 'tab\t']] as const) {
      const { exchange, first } = begin()
      t.match(first, /^n,,n=,r=[A-Za-z0-9+/]{24}$/)
      const server = serverSide(prepared, salt, 4096, first, '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0')
      const final = await exchange.final(server.challenge, password, new SaltedPasswords())
      t.match(final, /^c=biws,r=/)
      t.equal(exchange.isVerified, false)
      exchange.verify(server.verify(final))
      t.equal(exchange.isVerified, true)
    }
    t.not(begin().first, begin().first, 'each has a nonce of its own')
  })

  t.test('takes its steps once, and in order', async (t) => {
    const salted = new SaltedPasswords()
    await t.rejects(new ScramExchange().final('r=a,s=c2FsdA==,i=1', 'p', salted), { message: /out of turn/ })
    t.throws(() => new ScramExchange().verify('v=AAAA'), { message: /out of turn/ })
    const { exchange, first } = begin()
    t.throws(() => exchange.verify('v=AAAA'), { message: /out of turn/ })
    const server = serverSide('pencil', salt, 1, first, 'x')
    const final = await exchange.final(server.challenge, 'pencil', salted)
    await t.rejects(exchange.final(server.challenge, 'pencil', salted), { message: /out of turn/ })
    exchange.verify(server.verify(final))
    t.throws(() => exchange.verify(server.verify(final)), { message: /out of turn/ })
  })

  t.test('takes a count from 1 to 1,000,000, and nothing that is no count', async (t) => {
    const salted = new SaltedPasswords()
    const outcome = async (count: string): Promise<string> => {
      const { exchange, first } = begin()
      return await exchange.final(`r=${first.slice(8)}x,s=c2FsdA==,i=${count}`, 'pencil', salted).then(() => 'taken', (error) => error.message)
    }
    for (const count of ['1', '4096', '999999', '1000000']) t.equal(await outcome(count), 'taken', count)
    for (const count of ['1000001', '20000000', '999999999']) t.match(await outcome(count), /iterations, more than 1000000/, count)
    for (const count of ['0', '-1', '', '1.5', '1e3', 'x', '0x10', '4096 ', '10000000000']) t.match(await outcome(count), /a challenge that cannot be read/, count)
  })

  t.test('hashes once for a password, a salt and a count', async (t) => {
    const salted = new SaltedPasswords()
    const one = salted.get('secret', Buffer.from('salt'), 4096)
    t.equal(salted.get('secret', Buffer.from('salt'), 4096), one, 'one computation for a hundred connects')
    t.not(salted.get('secret', Buffer.from('tlas'), 4096), one)
    t.not(salted.get('secret', Buffer.from('salt'), 4097), one)
    t.not(salted.get('Secret', Buffer.from('salt'), 4096), one)
    t.same(await one, crypto.pbkdf2Sync('secret', 'salt', 4096, 32, 'sha256'))
  })

  t.test('keeps some salted passwords, the newest', async (t) => {
    const salted = new SaltedPasswords()
    const get = (n: number): Promise<Buffer> => salted.get('p', Buffer.from([n]), 1)
    const first = get(0)
    for (let n = 1; n < 16; n++) get(n)
    t.equal(get(0), first, 'sixteen are kept')
    get(16)
    t.not(get(0), first, 'the oldest makes room')
    t.same(await get(0), await first)
  })
})
