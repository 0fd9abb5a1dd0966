/** Longer texts are made by Node: that is as quick then. */
const LONGEST = 24

const make = String.fromCharCode

/**
 * UTF-8 → text. A short text of ASCII is made here, in a third of the time that a call into Node takes.
 * Each length is written out, because a loop over an array of codes takes twice as long.
 */
export function readText (bytes: Buffer, at: number, end: number): string {
  const length = end - at
  if (length > LONGEST) return byNode(bytes, at, end)
  if (length === 0) return ''
  const a = bytes[at] ?? 0
  let all = a
  if (length === 1) return all < 128 ? make(a) : byNode(bytes, at, end)
  const b = bytes[at + 1] ?? 0
  all |= b
  if (length === 2) return all < 128 ? make(a, b) : byNode(bytes, at, end)
  const c = bytes[at + 2] ?? 0
  all |= c
  if (length === 3) return all < 128 ? make(a, b, c) : byNode(bytes, at, end)
  const d = bytes[at + 3] ?? 0
  all |= d
  if (length === 4) return all < 128 ? make(a, b, c, d) : byNode(bytes, at, end)
  const e = bytes[at + 4] ?? 0
  all |= e
  if (length === 5) return all < 128 ? make(a, b, c, d, e) : byNode(bytes, at, end)
  const f = bytes[at + 5] ?? 0
  all |= f
  if (length === 6) return all < 128 ? make(a, b, c, d, e, f) : byNode(bytes, at, end)
  const g = bytes[at + 6] ?? 0
  all |= g
  if (length === 7) return all < 128 ? make(a, b, c, d, e, f, g) : byNode(bytes, at, end)
  const h = bytes[at + 7] ?? 0
  all |= h
  if (length === 8) return all < 128 ? make(a, b, c, d, e, f, g, h) : byNode(bytes, at, end)
  const i = bytes[at + 8] ?? 0
  all |= i
  if (length === 9) return all < 128 ? make(a, b, c, d, e, f, g, h, i) : byNode(bytes, at, end)
  const j = bytes[at + 9] ?? 0
  all |= j
  if (length === 10) return all < 128 ? make(a, b, c, d, e, f, g, h, i, j) : byNode(bytes, at, end)
  const k = bytes[at + 10] ?? 0
  all |= k
  if (length === 11) return all < 128 ? make(a, b, c, d, e, f, g, h, i, j, k) : byNode(bytes, at, end)
  const l = bytes[at + 11] ?? 0
  all |= l
  if (length === 12) return all < 128 ? make(a, b, c, d, e, f, g, h, i, j, k, l) : byNode(bytes, at, end)
  const m = bytes[at + 12] ?? 0
  all |= m
  if (length === 13) return all < 128 ? make(a, b, c, d, e, f, g, h, i, j, k, l, m) : byNode(bytes, at, end)
  const n = bytes[at + 13] ?? 0
  all |= n
  if (length === 14) return all < 128 ? make(a, b, c, d, e, f, g, h, i, j, k, l, m, n) : byNode(bytes, at, end)
  const o = bytes[at + 14] ?? 0
  all |= o
  if (length === 15) return all < 128 ? make(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o) : byNode(bytes, at, end)
  const p = bytes[at + 15] ?? 0
  all |= p
  if (length === 16) return all < 128 ? make(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p) : byNode(bytes, at, end)
  const q = bytes[at + 16] ?? 0
  all |= q
  if (length === 17) return all < 128 ? make(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q) : byNode(bytes, at, end)
  const r = bytes[at + 17] ?? 0
  all |= r
  if (length === 18) return all < 128 ? make(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r) : byNode(bytes, at, end)
  const s = bytes[at + 18] ?? 0
  all |= s
  if (length === 19) return all < 128 ? make(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s) : byNode(bytes, at, end)
  const t = bytes[at + 19] ?? 0
  all |= t
  if (length === 20) return all < 128 ? make(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t) : byNode(bytes, at, end)
  const u = bytes[at + 20] ?? 0
  all |= u
  if (length === 21) return all < 128 ? make(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u) : byNode(bytes, at, end)
  const v = bytes[at + 21] ?? 0
  all |= v
  if (length === 22) return all < 128 ? make(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v) : byNode(bytes, at, end)
  const w = bytes[at + 22] ?? 0
  all |= w
  if (length === 23) return all < 128 ? make(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w) : byNode(bytes, at, end)
  const x = bytes[at + 23] ?? 0
  all |= x
  return all < 128 ? make(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x) : byNode(bytes, at, end)
}

function byNode (bytes: Buffer, at: number, end: number): string { return bytes.toString('utf8', at, end) }
