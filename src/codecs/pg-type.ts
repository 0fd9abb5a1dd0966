import type { ScalarFamily } from './built-in-types.js'
import type { Decode } from './decode.js'
import type { Read } from './decode-bytes.js'
import type { Encode } from './encode.js'

/** What a type is made of: a domain of its base, an array of its elements, a range of its bounds, a multirange of ranges. */
export interface MadeOf {
  readonly kind: 'base' | 'elements' | 'bounds' | 'ranges'
  readonly oid: number
  /** Between the elements of an array. */
  readonly delimiter: string
}

/**
 * How the text form of a Postgres type is read and written. The server names the type of each parameter and column
 * by its OID (we always send type 0, "you decide"), so that a value's JavaScript type is never a guess.
 */
export interface PgType {
  readonly oid: number
  /** As in `pg_type`; of an array the element's with `[]`. */
  readonly name: string
  /** Where it was created. */
  readonly schema: string
  /** `own`: it is written by a codec of the user's. */
  readonly family: ScalarFamily | 'array' | 'own'
  readonly decode: Decode | undefined
  /** Gives what `decode` gives. */
  readonly read: Read
  readonly encode: Encode
  readonly madeOf: MadeOf | undefined
  /** Whether, in an array of it, a list inside the list is a further dimension; otherwise it is a value. */
  readonly nests: boolean
  /** Whether it is a composite type, or a base type that an extension has brought. */
  readonly isOpaque: boolean
  /** Whether `decode` is the user's, or calls that: `read` leaves the text then. */
  readonly mayThrow: boolean
  /** What the user calls the type whose decoder it is. */
  readonly key: string
  /** Whether ranges over it are read and written by it. */
  readonly convertsBounds: boolean
}

/** Types by their OIDs; undefined for one that the pool has yet to learn. */
export interface TypeView { get (oid: number): PgType | undefined }
