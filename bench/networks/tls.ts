import { generate } from 'selfsigned'
import type { EmbeddedPostgres } from '../../tools/embedded-postgres/embedded-postgres.js'
import { place } from '../../tools/embedded-postgres/place.js'

/** Places a self-signed certificate where the server looks for one, and returns its URL for clients that encrypt. */
export async function addCertificate ({ dataDir, url }: EmbeddedPostgres): Promise<string> {
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }], { keyType: 'ec', algorithm: 'sha256' })
  await place(dataDir, { 'server.crt': cert, 'server.key': key })
  return `${url}?sslmode=require`
}
