import { generate } from 'selfsigned'
import type { Test } from 'tap'
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../tools/embedded-postgres/embedded-postgres.js'
import { place } from '../../tools/embedded-postgres/place.js'
import { Observer, until } from './database.js'

/** A certificate and its key, in PEM. */
export interface Certificate { cert: string, key: string }

/** Names of the server's certificates; the server shows one of them at a time. */
export type Shown = 'local' | 'elsewhere' | 'expired'

export interface Certificates {
  /** What the server's certificates, and the client's, are signed by. */
  ca: Certificate
  /** An authority that signed nothing. */
  stranger: Certificate
  /** For the user `certified`, signed by `ca`; and one for that user that the stranger signed. */
  client: Certificate
  forged: Certificate
  shown: Record<Shown, Certificate>
}

const DAY = 24 * 60 * 60 * 1000

async function authority (name: string): Promise<Certificate> {
  const { cert, private: key } = await generate([{ name: 'commonName', value: name }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notBeforeDate: new Date(Date.now() - 10 * DAY),
    extensions: [{ name: 'basicConstraints', cA: true, critical: true }, { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true }],
  })
  return { cert, key }
}

/** `names` are host names and, behind `ip:`, addresses. */
async function signed (by: Certificate, name: string, names: string[], days = 30): Promise<Certificate> {
  const altNames = names.map((each) => each.startsWith('ip:') ? { type: 7 as const, ip: each.slice(3) } : { type: 2 as const, value: each })
  const { cert, private: key } = await generate([{ name: 'commonName', value: name }], {
    keyType: 'ec',
    algorithm: 'sha256',
    ca: by,
    notBeforeDate: new Date(Date.now() - 5 * DAY),
    notAfterDate: new Date(Date.now() + days * DAY),
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
      ...(altNames.length === 0 ? [] : [{ name: 'subjectAltName' as const, altNames }]),
    ],
  })
  return { cert, key }
}

async function makeCertificates (): Promise<Certificates> {
  const [ca, stranger] = await Promise.all([authority('authority of the test'), authority('stranger')])
  const [local, elsewhere, expired, client, forged] = await Promise.all([
    signed(ca, 'local', ['localhost', 'ip:127.0.0.1']),
    signed(ca, 'elsewhere', ['db.elsewhere.test']),
    signed(ca, 'expired', ['localhost', 'ip:127.0.0.1'], -1),
    signed(ca, 'certified', []),
    signed(stranger, 'certified', []),
  ])
  return { ca, stranger, client, forged, shown: { local, elsewhere, expired } }
}

/**
 * Who may come in, and how: `certified` with a certificate of that name; `guarded` only encrypted; the others as they like.
 */
const HBA = `
hostssl   all certified 127.0.0.1/32 cert
host      all certified 127.0.0.1/32 reject
hostnossl all guarded   127.0.0.1/32 reject
host      all all       127.0.0.1/32 scram-sha-256
`

/** A PostgreSQL that can turn TLS on and off, with certificates that are made on the spot. */
export class TlsServer {
  readonly postgres: EmbeddedPostgres
  readonly certificates: Certificates
  readonly observer: Observer

  private constructor (postgres: EmbeddedPostgres, certificates: Certificates, observer: Observer) {
    this.postgres = postgres
    this.certificates = certificates
    this.observer = observer
  }

  /** Without TLS at first. */
  static async start (t: Test): Promise<TlsServer> {
    const [postgres, certificates] = await Promise.all([startEmbeddedPostgres({ hba: HBA }), makeCertificates()])
    t.teardown(() => postgres.close())
    await place(postgres.dataDir, { 'ca.crt': certificates.ca.cert })
    for (const [name, { cert, key }] of Object.entries(certificates.shown)) await place(postgres.dataDir, { [`${name}.crt`]: cert, [`${name}.key`]: key })
    const observer = await new Observer(postgres.url).open()
    t.teardown(() => observer.close())
    await observer.rows(`CREATE ROLE certified LOGIN; CREATE ROLE guarded LOGIN PASSWORD '${postgres.password}'`)
    return new TlsServer(postgres, certificates, observer)
  }

  /** The URL, with other parts where they are given. */
  url (parts: { hostname?: string, username?: string, search?: string } = {}): string {
    return Object.assign(new URL(this.postgres.url), parts).href
  }

  /** New connections see the certificate, or no TLS at all. */
  async show (certificate: Shown | 'none'): Promise<void> {
    const settings = certificate === 'none'
      ? { ssl: 'off' }
      : { ssl_cert_file: `${certificate}.crt`, ssl_key_file: `${certificate}.key`, ssl_ca_file: 'ca.crt', ssl: 'on' }
    for (const [name, value] of Object.entries(settings)) await this.observer.rows(`ALTER SYSTEM SET ${name} = '${value}'`)
    const [before] = await this.observer.rows('SELECT pg_conf_load_time() AS at')
    await this.observer.rows('SELECT pg_reload_conf()')
    await until(async () => (await this.observer.rows('SELECT pg_conf_load_time() > $1 AS done', [before?.['at']]))[0]?.['done'])
  }
}
