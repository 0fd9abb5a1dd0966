import { once } from 'node:events'
import { finished } from 'node:stream/promises'
import { Client } from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import type { Contender } from './contender.js'

/** COPY, the fastest way for rows into Postgres: what a batch of inserts is held against. */
export function copy (url: string, applicationName: string): Contender {
  const client = new Client({ connectionString: url, application_name: applicationName })
  return {
    open: () => client.connect(),
    close: () => client.end(),
    async insert (rows) {
      const stream = client.query(copyFrom('COPY bench_inserts (n, label) FROM STDIN'))
      const done = finished(stream)
      // The labels hold nothing that the format escapes.
      if (!stream.write(rows.map(([n, label]) => `${n}\t${label}\n`).join(''))) await once(stream, 'drain')
      stream.end()
      await done
    },
  }
}
