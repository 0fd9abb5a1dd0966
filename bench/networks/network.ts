/** What lies between a contender and the server. */
export const NETWORKS = ['loopback', 'tls', 'delayed'] as const

export type Network = typeof NETWORKS[number]

/** The server's URL over each of them, for those that a run needs. */
export interface Networks {
  url (network: Network): string
  /** What the figures depend on. */
  remarks: readonly string[]
  close (): void
}
