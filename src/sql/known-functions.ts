const words = (text: string): readonly string[] => text.trim().split(/\s+/)

/**
 * Functions of the server's own, and what is written like one, that have no effect and wait for nothing but the time that they
 * take: a statement that calls no others may be run again. What is not named here counts as having effects.
 */
export const HARMLESS: ReadonlySet<string> = new Set(words(`
  count sum avg min max bool_and bool_or every array_agg string_agg json_agg jsonb_agg json_object_agg jsonb_object_agg stddev
  stddev_pop stddev_samp variance var_pop var_samp corr percentile_cont percentile_disc mode bit_and bit_or row_number rank
  dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value lower upper initcap length char_length
  character_length octet_length bit_length concat concat_ws left right replace split_part substr substring strpos position overlay
  trim btrim ltrim rtrim lpad rpad repeat reverse translate md5 sha256 sha512 format ascii chr encode decode quote_literal
  quote_ident quote_nullable regexp_replace regexp_match regexp_matches regexp_count regexp_split_to_array regexp_split_to_table
  regexp_substr starts_with string_to_array string_to_table array_to_string to_char to_date to_timestamp to_number normalize unistr
  to_hex abs ceil ceiling floor round trunc mod power sqrt cbrt exp ln log sign gcd lcm pi random degrees radians sin cos tan asin
  acos atan atan2 width_bucket now clock_timestamp statement_timestamp transaction_timestamp timeofday date_trunc date_part date_bin
  extract age make_date make_time make_timestamp make_timestamptz make_interval justify_days justify_hours justify_interval isfinite
  to_json to_jsonb row_to_json array_to_json json_build_object json_build_array jsonb_build_object jsonb_build_array json_object
  jsonb_object jsonb_set jsonb_insert jsonb_strip_nulls json_strip_nulls jsonb_pretty jsonb_typeof json_typeof jsonb_array_length
  json_array_length jsonb_array_elements jsonb_array_elements_text json_array_elements json_array_elements_text jsonb_each
  jsonb_each_text json_each json_each_text jsonb_object_keys json_object_keys jsonb_extract_path jsonb_extract_path_text
  json_extract_path json_extract_path_text jsonb_path_query jsonb_path_query_array jsonb_path_query_first jsonb_path_exists
  jsonb_path_match jsonb_to_record jsonb_to_recordset json_to_record json_to_recordset unnest array_length array_lower array_upper
  array_ndims cardinality array_append array_prepend array_cat array_remove array_replace array_position array_positions array_fill
  array_dims lower_inc upper_inc isempty int4range int8range numrange tsrange tstzrange daterange generate_series
  generate_subscripts coalesce nullif greatest least cast row array exists grouping num_nulls num_nonnulls to_tsvector to_tsquery
  plainto_tsquery phraseto_tsquery websearch_to_tsquery ts_rank ts_rank_cd ts_headline setweight strip host hostmask netmask network
  masklen family broadcast abbrev current_setting current_database current_schema current_schemas current_catalog version pg_typeof
  pg_backend_pid to_regclass to_regtype pg_is_in_recovery pg_postmaster_start_time pg_sleep gen_random_uuid uuidv4 uuidv7
  obj_description col_description format_type pg_get_viewdef pg_get_indexdef pg_get_constraintdef has_table_privilege
  has_schema_privilege has_database_privilege any_value json_agg_strict jsonb_agg_strict json_object_agg_strict
  jsonb_object_agg_strict range_agg range_intersect_agg regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx
  regr_sxy regr_syy covar_pop covar_samp bit_xor xmlagg casefold regexp_instr regexp_like to_ascii to_bin to_oct parse_ident convert
  convert_from convert_to bit_count get_bit get_byte set_bit set_byte sha224 sha384 crc32 crc32c unicode_version is_normalized like
  ilike overlaps acosh asinh atanh cosh sinh tanh cot acosd asind atand atan2d cosd cotd sind tand div factorial erf erfc gamma
  lgamma log10 min_scale pow scale trim_scale date_add date_subtract timezone uuid_extract_timestamp uuid_extract_version
  array_sample array_shuffle array_sort array_reverse array_to_tsvector trim_array enum_first enum_last enum_range lower_inf
  upper_inf range_merge multirange int4multirange int8multirange nummultirange tsmultirange tstzmultirange datemultirange
  json_populate_record json_populate_recordset jsonb_populate_record jsonb_populate_recordset jsonb_set_lax jsonb_path_query_tz
  jsonb_path_query_array_tz jsonb_path_query_first_tz jsonb_path_exists_tz jsonb_path_match_tz json_exists json_value json_query
  json_table json_scalar json_serialize json_arrayagg json_objectagg xmlelement xmlforest xmlconcat xmlcomment xmltext xpath
  xpath_exists json_to_tsvector jsonb_to_tsvector ts_delete ts_filter tsquery_phrase tsvector_to_array numnode querytree
  get_current_ts_config inet_merge inet_same_family set_masklen inet_client_addr inet_client_port inet_server_addr inet_server_port
  area center diameter height width isclosed isopen npoints pclose popen radius slope point box circle line lseg path polygon
  has_any_column_privilege has_column_privilege has_function_privilege has_sequence_privilege has_type_privilege pg_has_role
  row_security_active to_regnamespace to_regproc to_regprocedure to_regrole pg_table_is_visible pg_type_is_visible
  pg_function_is_visible pg_get_expr pg_get_functiondef pg_get_triggerdef pg_get_userbyid pg_get_serial_sequence pg_get_keywords
  pg_describe_object shobj_description pg_column_size pg_database_size pg_table_size pg_indexes_size pg_relation_size
  pg_total_relation_size pg_tablespace_size pg_size_pretty pg_size_bytes pg_client_encoding pg_input_is_valid pg_input_error_info
  pg_listening_channels pg_my_temp_schema merge_action
`))

/**
 * Those that leave nothing in the session, whatever else they do. What takes SQL as a text (query_to_xml, ts_stat) is not among
 * them, nor what a later currval() sees.
 */
export const STATELESS: ReadonlySet<string> = new Set([...HARMLESS, ...words(`
  txid_current pg_current_xact_id txid_current_if_assigned pg_current_xact_id_if_assigned txid_current_snapshot pg_current_snapshot
  txid_status pg_xact_status pg_xact_commit_timestamp pg_notify pg_logical_emit_message current_query pg_advisory_xact_lock
  pg_advisory_xact_lock_shared pg_try_advisory_xact_lock pg_try_advisory_xact_lock_shared pg_cancel_backend pg_terminate_backend
  pg_sleep_for pg_sleep_until pg_blocking_pids pg_safe_snapshot_blocking_pids pg_reload_conf pg_current_wal_lsn
  pg_current_wal_flush_lsn pg_current_wal_insert_lsn pg_last_wal_receive_lsn pg_last_wal_replay_lsn pg_wal_lsn_diff
  pg_last_xact_replay_timestamp pg_is_wal_replay_paused pg_stat_reset pg_stat_clear_snapshot pg_sequence_last_value lo_create
  lo_from_bytea lo_get lo_put lo_unlink
`)])
