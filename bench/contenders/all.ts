import { copy } from './copy.js'
import type { Entry } from './contender.js'
import { drizzleOnOurs, drizzleOnPostgresJs } from './drizzle.js'
import { ours } from './ours.js'
import { pg, pipelined } from './pg.js'
import { bare, tagged, unsafe } from './postgres-js.js'
import { slonik } from './slonik.js'

/** What is compared in Node. Add another one here, and a side for it in cases.ts. */
export const contenders = {
  ours: { connections: 10, create: ours },
  'ours, pipeline false': { connections: 10, create: (url, name, max) => ours(url, name, max, false) },
  'ours, max 1': { connections: 1, create: ours },
  'postgres.js': { connections: 10, create: tagged },
  'postgres.js, unsafe': { connections: 10, create: unsafe },
  'bare client': { connections: 1, create: bare },
  'ten bare clients': { connections: 10, create: bare },
  'ten bare clients, fetch_types false': { connections: 10, create: (url, name, clients) => bare(url, name, clients, false) },
  'pg, named': { connections: 10, create: (url, name, max) => pg(url, name, max, true) },
  'pg, unnamed': { connections: 10, create: (url, name, max) => pg(url, name, max, false) },
  'pg, pipeline': { connections: 10, create: pipelined },
  slonik: { connections: 10, create: slonik },
  'Drizzle on ours': { connections: 10, create: drizzleOnOurs },
  'Drizzle on postgres.js': { connections: 10, create: drizzleOnPostgresJs },
  'Drizzle on ours, made once': { connections: 10, create: (url, name, max) => drizzleOnOurs(url, name, max, true) },
  'Drizzle on postgres.js, made once': { connections: 10, create: (url, name, max) => drizzleOnPostgresJs(url, name, max, true) },
  COPY: { connections: 1, create: copy },
} as const satisfies Readonly<Record<string, Entry>>

export type NodeContender = keyof typeof contenders

export function isNodeContender (name: string): name is NodeContender { return Object.hasOwn(contenders, name) }
