import type { ConnectionOptions } from 'node:tls'

/** Where a server listens. A host that starts with `/` is the folder of a Unix socket; `address`: which its name stands for. */
export interface Host { readonly host: string, readonly port: number, readonly address?: string }

/** Where a connection leads to: one of the addresses of its host. */
export interface ConnectedHost extends Host { readonly isEncrypted?: boolean }

/**
 * How to encrypt: `false` not at all, `'prefer'` if the server can, `'require'` without looking at the certificate,
 * `true` or `'verify-full'` with a certificate for that host, or options of `tls.connect`.
 */
export type Ssl = boolean | 'disable' | 'prefer' | 'require' | 'verify-full' | ConnectionOptions
