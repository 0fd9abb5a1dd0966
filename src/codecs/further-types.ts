/**
 * Built-in types of which a pool learns how they are read when it meets them: the name of each, its OID and that of its arrays, which
 * are the same on every server. The others are in built-in-types.ts.
 */
const TYPES = `
  regproc 24 1008, tid 27 1010, xid 28 1011, cid 29 1012, point 600 1017, lseg 601 1018, path 602 1019, box 603 1020, polygon 604 1027,
  line 628 629, circle 718 719, macaddr8 774 775, macaddr 829 1040, aclitem 1033 1034, refcursor 1790 2201, regprocedure 2202 2207,
  regoper 2203 2208, regoperator 2204 2209, regclass 2205 2210, regtype 2206 2211, txid_snapshot 2970 2949, tsvector 3614 3643,
  tsquery 3615 3645, regconfig 3734 3735, regdictionary 3769 3770, int4range 3904 3905, numrange 3906 3907, tsrange 3908 3909,
  tstzrange 3910 3911, daterange 3912 3913, int8range 3926 3927, jsonpath 4072 4073, regnamespace 4089 4090, regrole 4096 4097,
  regcollation 4191 4192, int4multirange 4451 6150, nummultirange 4532 6151, tsmultirange 4533 6152, tstzmultirange 4534 6153,
  datemultirange 4535 6155, int8multirange 4536 6157, xid8 5069 271, pg_lsn 3220 3221, pg_snapshot 5038 5039
`

type Type = readonly [name: string, oid: number, arrayOid: number]

export const FURTHER_TYPES: readonly Type[] = TYPES.trim().split(/,\s+/).map((type) => {
  const [name = '', oid, arrayOid] = type.split(' ')
  return [name, Number(oid), Number(arrayOid)]
})
