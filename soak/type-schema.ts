import type { Random } from '../test/support/random.js'
import { ask } from './server.js'

const KINDS = [0, 1, 2, 3, 4, 5, 6, 7]
const ENUMS = KINDS.map((n) => `CREATE TYPE mood${n} AS ENUM ('sad', 'happy', 'so, so')`)
const DOMAINS = KINDS.flatMap((n) => [`CREATE DOMAIN doc${n} AS jsonb`, `CREATE DOMAIN big${n} AS bigint`, `CREATE DOMAIN note${n} AS text`])
const COMPOSITE = 'CREATE TYPE pair AS (a int, b text)'

/** `said` is what the caller meant, for the server to compare with. */
const TABLE = `CREATE TABLE things (caller int NOT NULL, write int NOT NULL, item int NOT NULL, token text NOT NULL,
  mood mood0, moods mood3[], doc doc0, big big1, note note2, pair pair, said jsonb NOT NULL)`

/** The same types, made in another order on each server: an OID that is an enum here is a domain there. */
export const TYPE_SCHEMAS: readonly [string, string] = [
  [...ENUMS, ...DOMAINS, COMPOSITE, TABLE].join('; '), [COMPOSITE, ...DOMAINS.toReversed(), ...ENUMS.toReversed(), TABLE].join('; ')
]

/** How many OIDs are types on both servers, but not the same. */
export async function countDifferentTypes (urls: readonly string[]): Promise<number> {
  const [here, there] = await Promise.all(urls.map((url) => ask(url, "SELECT oid::int, typname FROM pg_type WHERE oid > 16383 AND typname ~ '^_?(mood|doc|big|note)'")))
  const byOid = new Map(there?.map((row) => [row['oid'], row]))
  return here?.filter(({ oid, typname }) => (byOid.get(oid)?.['typname'] ?? typname) !== typname).length ?? 0
}

export const TYPED_COLUMNS = 'mood, moods, doc, big, note, pair'
export const INSERT_TYPED = `INSERT INTO things (caller, write, item, token, ${TYPED_COLUMNS}, said) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`
export const READ_TYPED = 'SELECT $1::mood0 AS mood, $2::mood3[] AS moods, $3::doc0 AS doc, $4::big1 AS big, $5::note2 AS note, $6::pair AS pair'
/** What is stored as something else than what was meant. */
export const STORED_OTHERWISE = `SELECT token, row_to_json(things)::text AS stored FROM things
  WHERE jsonb_build_object('mood', mood, 'moods', moods, 'doc', doc, 'big', big, 'note', note, 'pair', pair) <> said LIMIT 10`

/** Values of the columns, as they go in and come out. */
export interface Typed { mood: string, moods: Array<string | null>, doc: unknown, big: number, note: string, pair: string }

const MOODS = ['sad', 'happy', 'so, so']
const DOCS = [{ a: ['text'] }, 'text', ['{sad,happy}', 1], 7, true, '{"a": 1}']
const NOTES = ['text', '"quoted"', '{sad}', '7', '']

/** Some values, and what is meant by them. */
export function typedValues (random: Random): { values: Typed, said: object } {
  const [mood, doc, note] = [random.pick(MOODS), random.pick(DOCS), random.pick(NOTES)]
  const moods = Array.from({ length: random.integer(0, 4) }, () => random.pick([...MOODS, null]))
  const [big, a] = [random.integer(-5, 1e12), random.integer(0, 99)]
  return { values: { mood, moods, doc, big, note, pair: `(${a},b)` }, said: { mood, moods, doc, big, note, pair: { a, b: 'b' } } }
}
