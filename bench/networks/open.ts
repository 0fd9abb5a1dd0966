import { join } from 'node:path'
import type { EmbeddedPostgres } from '../../tools/embedded-postgres/embedded-postgres.js'
import type { Referee } from '../referee.js'
import { describeDelay, startDelay } from './delay.js'
import type { Network, Networks } from './network.js'
import { addCertificate } from './tls.js'

/** Sets up the networks that are needed, and only those. `folder` has the compiled files. */
export async function openNetworks (needed: ReadonlySet<Network>, folder: string, server: EmbeddedPostgres, referee: Referee): Promise<Networks> {
  // Some contenders would encrypt without being asked to, where the server can.
  const plain = `${server.url}?sslmode=disable`
  const urls = new Map<Network, string>([['loopback', plain]])
  const remarks: string[] = []
  if (needed.has('tls')) {
    urls.set('tls', await addCertificate(server))
    await referee.turnTlsOn()
    remarks.push('TLS: a self-signed certificate (P-256), which nobody verifies (sslmode=require); the server is asked whether those connections, and only those, are encrypted')
  }
  let close = (): void => {}
  if (needed.has('delayed')) {
    const script = join(folder, 'bench/networks/proxy.js')
    remarks.push(await describeDelay(script))
    const delay = await startDelay(script, server.port)
    urls.set('delayed', Object.assign(new URL(plain), { port: String(delay.port) }).href)
    close = delay.close
  }
  return {
    url (network) {
      const url = urls.get(network)
      if (url === undefined) throw new Error(`the network ${network} is not there`)
      return url
    },
    remarks,
    close,
  }
}
