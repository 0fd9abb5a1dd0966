import type { PoolOptions } from './options.js'

/** One of libpq's connection parameters: honoured, unless it has `instead`. */
export interface Keyword {
  /** The variable that it is read from where the URL does not have it. */
  readonly env?: string
  /** The option that says the same: where that is given, neither URL nor variable is looked at. */
  readonly option?: keyof PoolOptions
  /** What in the URL keeps the variable from being read. */
  readonly unless?: string
  /** Why it is refused, and what to do instead. */
  readonly instead?: string
  /** The values of a refused one that change nothing here. */
  readonly harmless?: readonly string[]
}

const FALSE = ['0', 'false', 'off', 'no']
const TRUE = ['1', 'true', 'on', 'yes']
const NO_GSSAPI = 'GSSAPI is not supported, neither to authenticate nor to encrypt: use a password or a certificate, and sslmode'
const NO_OAUTH = 'authentication by OAuth is not supported: the option password may be a function that gets a token'
const NO_KEYS = 'keys of SCRAM are not read: give the password'
const NO_FILE = 'no such file is read: give host, port, user, database and password by the URL, by options or by variables'
const ALIVE = 'TCP keepalives are always on, at intervals of ours; the options checkIdle and commandTimeout find a dead connection'

/** All of libpq's parameters as of PostgreSQL 18, and those of before that URLs may still hold. None is a setting of a session. */
export const KEYWORDS: Readonly<Record<string, Keyword>> = {
  host: { env: 'PGHOST', option: 'host', unless: 'hostaddr' },
  // An address of its own would lead elsewhere than the host that the URL names.
  hostaddr: { env: 'PGHOSTADDR', option: 'host', unless: 'host' },
  port: { env: 'PGPORT', option: 'port' },
  dbname: { env: 'PGDATABASE', option: 'database' },
  user: { env: 'PGUSER', option: 'user' },
  password: { env: 'PGPASSWORD', option: 'password' },
  application_name: { env: 'PGAPPNAME', option: 'applicationName' },
  fallback_application_name: { option: 'applicationName' },
  connect_timeout: { env: 'PGCONNECT_TIMEOUT', option: 'connectTimeout' },
  target_session_attrs: { env: 'PGTARGETSESSIONATTRS', option: 'targetSessionAttrs' },
  require_auth: { env: 'PGREQUIREAUTH', option: 'requireAuth' },
  options: { env: 'PGOPTIONS' },

  sslmode: { env: 'PGSSLMODE', option: 'ssl' },
  sslrootcert: { env: 'PGSSLROOTCERT', option: 'ssl' },
  sslcert: { env: 'PGSSLCERT', option: 'ssl' },
  sslkey: { env: 'PGSSLKEY', option: 'ssl' },
  sslcrl: { env: 'PGSSLCRL', option: 'ssl' },
  sslsni: { env: 'PGSSLSNI', option: 'ssl' },
  ssl_min_protocol_version: { env: 'PGSSLMINPROTOCOLVERSION', option: 'ssl' },
  ssl_max_protocol_version: { env: 'PGSSLMAXPROTOCOLVERSION', option: 'ssl' },

  requiressl: { env: 'PGREQUIRESSL', option: 'ssl', unless: 'sslmode', instead: 'say sslmode=require (PGSSLMODE)', harmless: FALSE },
  sslpassword: { option: 'ssl', instead: 'it is not read from a URL: pass the option ssl, as in { key, cert, passphrase }' },
  sslcrldir: { env: 'PGSSLCRLDIR', option: 'ssl', instead: 'no folder of lists is read: use sslcrl, or the option ssl with crl' },
  sslcertmode: { env: 'PGSSLCERTMODE', option: 'ssl', instead: 'a certificate is sent if sslcert names one', harmless: ['allow'] },
  sslcompression: { env: 'PGSSLCOMPRESSION', instead: 'compression under TLS is not secure', harmless: FALSE },
  sslkeylogfile: { instead: 'keys are not logged: run node --tls-keylog' },
  sslnegotiation: {
    env: 'PGSSLNEGOTIATION', instead: 'TLS is asked for by an SSLRequest, which servers of all versions answer', harmless: ['postgres']
  },
  channel_binding: {
    env: 'PGCHANNELBINDING',
    instead: 'channel binding is not supported: take it out, sslmode=verify-full keeps out the same attackers',
    harmless: ['disable', 'prefer']
  },
  requirepeer: { env: 'PGREQUIREPEER', instead: "the owner of a server's socket is not checked: restrict who may write to its folder" },

  load_balance_hosts: { env: 'PGLOADBALANCEHOSTS', instead: 'hosts are tried in their order', harmless: ['disable'] },
  service: { env: 'PGSERVICE', option: 'host', unless: 'host', instead: NO_FILE },
  servicefile: { instead: NO_FILE },
  passfile: { instead: NO_FILE },
  keepalives: { instead: ALIVE, harmless: TRUE },
  keepalives_idle: { instead: ALIVE, harmless: ['0'] },
  keepalives_interval: { instead: ALIVE, harmless: ['0'] },
  keepalives_count: { instead: ALIVE, harmless: ['0'] },
  tcp_user_timeout: { instead: 'it cannot be set from Node; the option commandTimeout limits the wait for an answer', harmless: ['0'] },
  min_protocol_version: { env: 'PGMINPROTOCOLVERSION', instead: 'version 3.0 of the protocol is spoken', harmless: ['3.0'] },
  max_protocol_version: {
    env: 'PGMAXPROTOCOLVERSION', instead: 'version 3.0 of the protocol is spoken', harmless: ['3.0', '3.2', 'latest']
  },
  client_encoding: { instead: 'it is always UTF8', harmless: ['utf8', 'utf-8', 'unicode', 'auto'] },
  replication: { instead: 'replication is not offered', harmless: FALSE },

  gssencmode: { env: 'PGGSSENCMODE', instead: NO_GSSAPI, harmless: ['disable', 'prefer'] },
  krbsrvname: { instead: NO_GSSAPI },
  gsslib: { instead: NO_GSSAPI },
  gssdelegation: { instead: NO_GSSAPI, harmless: FALSE },
  scram_client_key: { instead: NO_KEYS },
  scram_server_key: { instead: NO_KEYS },
  oauth_issuer: { instead: NO_OAUTH },
  oauth_client_id: { instead: NO_OAUTH },
  oauth_client_secret: { instead: NO_OAUTH },
  oauth_scope: { instead: NO_OAUTH },
  authtype: { instead: 'libpq does not know it any more' },
  tty: { instead: 'libpq does not know it any more' },
}
