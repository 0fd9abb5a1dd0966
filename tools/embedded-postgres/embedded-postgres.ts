/** The server of `startPostgres`, with what only the tests, benchmarks and examples of this repository need: stop and start. */
export { startEmbeddedPostgres, type EmbeddedPostgres, type EmbeddedPostgresOptions } from '../../testing/postgres/embedded-postgres.js'
