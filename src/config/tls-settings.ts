import { readFileSync } from 'node:fs'
import type { ConnectionOptions, SecureVersion } from 'node:tls'
import { codeOf } from '../errors/error-code.js'
import { OptionError } from '../errors/errors.js'
import type { Setting, Settings } from './libpq-settings.js'
import type { Ssl } from './target.js'

const MODES: Readonly<Record<string, Ssl>> = {
  disable: false, prefer: 'prefer', allow: 'prefer', require: 'require', 'verify-ca': true, 'verify-full': true, true: true, false: false
}

const VERSIONS: readonly SecureVersion[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3']

/** Who names one of these wants TLS. */
const FILES = ['sslrootcert', 'sslcert', 'sslkey', 'sslcrl']
const DETAILS = ['ssl_min_protocol_version', 'ssl_max_protocol_version', 'sslsni']

/**
 * How libpq's settings have us encrypt; undefined if they do not say. Files without an `sslmode` mean `verify-full`. The files
 * are read now. Raises `OptionError`, which shows no value.
 */
export function readTls (settings: Settings): Ssl | undefined {
  const given = settings.get('sslmode')
  const file = FILES.map((name) => settings.get(name)).find((setting) => setting !== undefined)
  const mode = given === undefined ? file === undefined ? undefined : true : readMode(given)
  if (mode === undefined || mode === false) return mode
  const details = file ?? DETAILS.map((name) => settings.get(name)).find((setting) => setting !== undefined)
  if (details === undefined) return mode
  if (mode === 'prefer') throw new OptionError(`${details.label} takes sslmode=require, verify-ca or verify-full beside it`)
  const root = settings.get('sslrootcert')
  if (root?.value === 'system') {
    if (mode !== true) throw new OptionError(`${root.label}: system takes sslmode=verify-full beside it`)
  }
  const options: ConnectionOptions = {
    ...(root !== undefined && root.value !== 'system' && { ca: readFile(root) }),
    ...clientCertificate(settings.get('sslcert'), settings.get('sslkey')),
    ...revoked(settings.get('sslcrl')),
    ...version('minVersion', settings.get('ssl_min_protocol_version')),
    ...version('maxVersion', settings.get('ssl_max_protocol_version')),
    ...serverName(settings.get('sslsni')),
  }
  if (Object.keys(options).length === 0) return mode
  if (mode === true) return options
  // As libpq does it: with authorities, `require` is `verify-ca`.
  return { ...options, ...(root === undefined ? { rejectUnauthorized: false } : { checkServerIdentity: () => undefined }) }
}

function readMode ({ value, label }: Setting): Ssl {
  const mode = Object.hasOwn(MODES, value) ? MODES[value] : undefined
  if (mode !== undefined) return mode
  const hint = value === 'no-verify' ? ' (no-verify of pg is require)' : ''
  throw new OptionError(`${label} takes one of ${Object.keys(MODES).join(', ')}${hint}`)
}

function clientCertificate (cert: Setting | undefined, key: Setting | undefined): ConnectionOptions {
  if (cert !== undefined && key !== undefined) return { cert: readFile(cert), key: readFile(key) }
  const alone = cert ?? key
  if (alone !== undefined) throw new OptionError(`${alone.label} takes ${cert === undefined ? 'sslcert' : 'sslkey'} beside it`)
  return {}
}

function revoked (crl: Setting | undefined): ConnectionOptions { return crl === undefined ? {} : { crl: readFile(crl) } }

function version (option: 'minVersion' | 'maxVersion', setting: Setting | undefined): ConnectionOptions {
  if (setting === undefined) return {}
  const found = VERSIONS.find((name) => name.toLowerCase() === setting.value.toLowerCase())
  if (found === undefined) throw new OptionError(`${setting.label} takes one of ${VERSIONS.join(', ')}`)
  return { [option]: found }
}

function serverName (sni: Setting | undefined): ConnectionOptions {
  if (sni === undefined || sni.value === '1') return {}
  if (sni.value !== '0') throw new OptionError(`${sni.label} takes 0 or 1`)
  return { servername: '' }
}

/** Neither the path nor what the system says of it is shown: it may not have been meant to be one. */
function readFile ({ value, label }: Setting): Buffer {
  try {
    return readFileSync(value)
  } catch (error) {
    throw new OptionError(`${label} names a file that cannot be read (${codeOf(error)}): it takes the path of a file in PEM, ` +
      'or pass the option ssl, as in { ca }')
  }
}
