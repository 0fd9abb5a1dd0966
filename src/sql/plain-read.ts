import { type Token, tokenize } from './tokenizer.js'

const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/))

/**
 * Functions of the server's own that have no effect and wait for nothing but the time that they take: a statement that
 * calls no others may be run again. What is not named here counts as having effects.
 */
const HARMLESS = words(`
  count sum avg min max bool_and bool_or every array_agg string_agg json_agg jsonb_agg json_object_agg jsonb_object_agg
  stddev stddev_pop stddev_samp variance var_pop var_samp corr percentile_cont percentile_disc mode bit_and bit_or
  row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value
  lower upper initcap length char_length character_length octet_length bit_length concat concat_ws left right replace split_part
  substr substring strpos position overlay trim btrim ltrim rtrim lpad rpad repeat reverse translate md5 sha256 sha512 format
  ascii chr encode decode quote_literal quote_ident quote_nullable regexp_replace regexp_match regexp_matches regexp_count
  regexp_split_to_array regexp_split_to_table regexp_substr starts_with string_to_array string_to_table array_to_string
  to_char to_date to_timestamp to_number normalize unistr to_hex
  abs ceil ceiling floor round trunc mod power sqrt cbrt exp ln log sign gcd lcm pi random degrees radians sin cos tan asin acos
  atan atan2 width_bucket
  now clock_timestamp statement_timestamp transaction_timestamp timeofday date_trunc date_part date_bin extract age make_date
  make_time make_timestamp make_timestamptz make_interval justify_days justify_hours justify_interval isfinite
  to_json to_jsonb row_to_json array_to_json json_build_object json_build_array jsonb_build_object jsonb_build_array json_object
  jsonb_object jsonb_set jsonb_insert jsonb_strip_nulls json_strip_nulls jsonb_pretty jsonb_typeof json_typeof jsonb_array_length
  json_array_length jsonb_array_elements jsonb_array_elements_text json_array_elements json_array_elements_text jsonb_each
  jsonb_each_text json_each json_each_text jsonb_object_keys json_object_keys jsonb_extract_path jsonb_extract_path_text
  json_extract_path json_extract_path_text jsonb_path_query jsonb_path_query_array jsonb_path_query_first jsonb_path_exists
  jsonb_path_match jsonb_to_record jsonb_to_recordset json_to_record json_to_recordset
  unnest array_length array_lower array_upper array_ndims cardinality array_append array_prepend array_cat array_remove
  array_replace array_position array_positions array_fill array_dims
  lower_inc upper_inc isempty int4range int8range numrange tsrange tstzrange daterange
  generate_series generate_subscripts coalesce nullif greatest least cast row array exists grouping num_nulls num_nonnulls
  to_tsvector to_tsquery plainto_tsquery phraseto_tsquery websearch_to_tsquery ts_rank ts_rank_cd ts_headline setweight strip
  host hostmask netmask network masklen family broadcast abbrev
  current_setting current_database current_schema current_schemas current_catalog version pg_typeof pg_backend_pid to_regclass to_regtype
  pg_is_in_recovery pg_postmaster_start_time pg_sleep gen_random_uuid uuidv4 uuidv7 obj_description col_description
  format_type pg_get_viewdef pg_get_indexdef pg_get_constraintdef has_table_privilege has_schema_privilege has_database_privilege
`)

/** Keywords and types that a parenthesis may follow, and that can be no names of functions. */
const NO_CALL = words(`
  select from where and or not in any some all as on using lateral group having limit offset order union except intersect distinct
  case when then else between values with window returning
  varchar character char numeric decimal dec float bit time timestamp interval
`)
/** Others, behind these words only. */
const NO_CALL_BEHIND: Readonly<Record<string, ReadonlySet<string>>> = {
  by: words('group order partition'),
  filter: words(')'),
  materialized: words('as not'),
  over: words(')'),
  sets: words('grouping'),
  varying: words('character bit'),
}

/** Words that no plain read has: it writes, locks rows, or makes a table. */
const FORBIDDEN = words('insert update delete merge into for call do execute nextval setval')

/**
 * Whether a single statement of the planner only reads, and calls nothing but functions that are known to have no effect. It
 * cannot see what operators, casts, views, policies and `row.function` call, nor a function of the user's own that takes the place
 * of one of the server's. Where the text leaves a doubt, it is none: where a string ends before a backslash is for the session to say.
 */
export function isPlainRead (statement: string): boolean {
  if (statement.includes('\\')) return false
  const tokens = [...tokenize(statement)].filter(({ kind }) => kind !== 'space' && kind !== 'comment')
  const text = ({ start, end }: Token): string => statement.slice(start, end).toLowerCase()
  const first = tokens.find((token) => text(token) !== '(')
  if (first === undefined || !['select', 'with', 'values', 'table'].includes(text(first))) return false
  return tokens.every((token, index) => {
    if (token.kind !== 'word' && token.kind !== 'name') return true
    const word = text(token)
    if (token.kind === 'word' && FORBIDDEN.has(word)) return false
    const next = tokens[index + 1]
    if (next === undefined || text(next) !== '(') return true
    const before = tokens[index - 1]
    const previous = before === undefined ? '' : text(before)
    if (previous === 'as' || previous === '::') return true // an alias with its columns, or a type
    if (token.kind === 'name') return false
    if (previous === '.') return isOfServer(tokens[index - 2], text) && HARMLESS.has(word)
    return HARMLESS.has(word) || NO_CALL.has(word) || NO_CALL_BEHIND[word]?.has(previous) === true
  })
}

function isOfServer (schema: Token | undefined, text: (token: Token) => string): boolean {
  return schema !== undefined && text(schema) === 'pg_catalog'
}
