/** What is no answer of a PostgreSQL server, wherever it stands: no client may take it for one. */
const BYTES: Readonly<Record<string, Buffer>> = {
  HTTP: Buffer.from('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'),
  SSH: Buffer.from('SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n'),
  MySQL: Buffer.from('4a0000000a382e302e33360001010101010101', 'hex'),
  'random bytes': Buffer.from('8f3a11c07e99d2aa01'.repeat(20), 'hex'),
  'an unknown message': message('!', 'what'),
  'a length of 0': Buffer.from('C\0\0\0\0', 'latin1'),
  'a negative length': Buffer.from('C\xff\xff\xff\xfb', 'latin1'),
  'a length of 400 MB': Buffer.from('C\x17\xd7\x84\0', 'latin1'),
  'an error without a code': message('E', 'SERROR\0Mmade up\0\0'),
}

/** Nonsense: bytes, and whether the connection is ended behind them. */
export interface Nonsense { readonly name: string, readonly bytes: Buffer, readonly ends: boolean }

/** In place of a server's answers, or between them. */
export const NONSENSE: readonly Nonsense[] = Object.entries(BYTES).map(([name, bytes]) => ({ name, bytes, ends: false }))

/** In place of a server: what would do no harm between its answers too. */
export const IMPOSTURES: readonly Nonsense[] = [
  ...NONSENSE,
  { name: 'silence, then the end', bytes: Buffer.alloc(0), ends: true },
  { name: 'half a start-up', bytes: Buffer.concat([message('R', '\0\0\0\0'), message('S', 'server_version\x0018\0').subarray(0, -3)]), ends: true },
  { name: 'a start-up that never ends', bytes: message('R', '\0\0\0\0'), ends: false },
]

function message (type: string, body: string): Buffer {
  const head = Buffer.alloc(5, type, 'latin1')
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, Buffer.from(body, 'latin1')])
}
