import { SECONDS } from './durations.js'
import type { PoolOptions } from './options.js'
import { type ConversionName, type HookName, RULES } from './rules.js'

/** What the options are called by pg, pg-pool, postgres.js, asyncpg, Prisma, knex, slonik, Sequelize, TypeORM, libpq, JDBC, HikariCP. */
const NAMES: Readonly<Partial<Record<keyof PoolOptions | HookName | ConversionName, string>>> = {
  url: 'connectionString connectionUri connectionUrl connString uri dsn conninfo jdbcUrl databaseUrl datasourceUrl ' +
    'clientUrl postgresUrl pgUri',
  host: 'hostname hosts server serverName serverNames serverHost address hostaddr socketPath socketDir dbHost pgHost',
  port: 'ports portNumber portNumbers dbPort pgPort',
  database: 'db dbname databaseName dbDatabase pgDatabase catalog initialCatalog',
  user: 'username userName userId uid login dbUser pgUser',
  password: 'pass passwd pwd dbPassword dbPass pgPassword',
  applicationName: 'appName clientName poolName programName fallbackApplicationName pgAppName',
  targetSessionAttrs: 'targetServerType sessionAttrs',
  requireAuth: 'authMethods',
  parameters: 'serverSettings runtimeParams connectionParameters sessionVariables sessionSettings variables options settings',
  min: 'minSize minPoolSize poolMin poolMinSize minConnections minimumIdle minimumPoolSize minIdle minConns poolMinConns initialSize',
  max: 'poolSize poolMax poolMaxSize maxSize maxPoolSize maxConnections connectionLimit maximumPoolSize maxConns ' +
    'poolMaxConns maxOpenConns ' +
    'maxClients maxActive maxTotal maxOverflow size',
  acquireTimeout: 'acquire acquireConnectionTimeout poolTimeout checkoutTimeout waitTimeout borrowTimeout maxWait ' +
    'maxWaitTime queueTimeout',
  commandTimeout: 'statementTimeout queryTimeout requestTimeout executionTimeout socketTimeout maxQueryExecutionTime',
  connectTimeout: 'createTimeout loginTimeout openTimeout dialTimeout',
  startupTimeout: 'initializationFailTimeout',
  required: 'lazyConnect lazyConnection failFast',
  maxQueries: 'maxUses maxUsage maxConnectionUses',
  idleTimeout: 'idle maxIdle maxIdleTime maxConnIdleTime maxConnectionIdleTime poolMaxConnIdleTime maxInactiveConnectionLifetime',
  checkIdle: 'keepaliveTime validationTimeout connectionTestQuery testOnBorrow testWhileIdle testBeforeAcquire ' +
    'poolPrePing healthCheckPeriod ' +
    'poolHealthCheckPeriod connHealthChecks',
  maxWaiting: 'queueLimit maxQueue maxQueueSize maxPending maxWaitingClients',
  leakWarning: 'leakDetectionThreshold removeAbandonedTimeout',
  maxLifetime: 'maxAge maxConnLifetime maxConnectionLifetime maximumConnectionAge maxConnectionAge connMaxAge ' +
    'poolRecycle connectionLifetime ' +
    'poolMaxConnLifetime',
  closeTimeout: 'gracefulTerminationTimeout shutdownTimeout destroyTimeout drainTimeout endTimeout',
  prepare: 'prepared preparedStatements noPrepare prepareThreshold statementCacheSize maxCachedStatementLifetime ' +
    'maxCacheableStatementSize ' +
    'preparedStatementCacheQueries pgbouncer',
  pipeline: 'pipelining pipelineMode maxPipeline',
  types: 'typeParsers parsers serializers parseInt8 typeParser customTypes',
  json: 'parseJson jsonParse stringifyJson',
  transform: 'postProcessResponse wrapIdentifier casing camelCase camelcase',
  reset: 'resetConnection resetQuery serverResetQuery',
  onConnect: 'init configure afterCreate afterConnect onConnection connectionInitSql initSql',
  onAcquire: 'setup beforeAcquire prepareConn',
  onRelease: 'afterRelease',
  onNotice: 'notice noticeHandler noticeProcessor noticeReceiver logListener',
  onParameter: 'onParameterStatus parameterStatus',
  log: 'logger logging',
}

const SSL = "did you mean ssl? It takes true or 'verify-full', 'require', 'prefer', 'disable'"
const TLS = "did you mean ssl? It takes the options of tls.connect, as in ssl: { ca: readFileSync('root.crt') }"
const CONNECT =
  'did you mean connectTimeout? It takes seconds, not milliseconds, and is for one connect; acquireTimeout is the wait for a connection'
const KEEPALIVE = 'TCP keepalives are always on; checkIdle, in seconds, says after how much idleness a connection is checked before use'
const TOGETHER = 'host, user, database, min, max and the others stand side by side, session settings in parameters'
const TIMES = 'there are connectTimeout, acquireTimeout, commandTimeout and idleTimeout, all in seconds, not milliseconds'
const DRIVER = 'there is nothing to choose: the driver is postgres.js'
const RETRIES =
  'the pool connects again by itself, and repeats no statement that may have had an effect; startupTimeout, in seconds, limits the start'
const VALUES =
  "types are read and written as the README's section Values says: the option types changes that, of a database or of one db.createSql()"
const GSSAPI = 'authentication and encryption by GSSAPI are not supported: use a password or a certificate, and ssl'
const ISOLATION = 'give it to a transaction: db.transaction(work, { isolation, readOnly, deferrable }), or parameters: ' +
  "{ default_transaction_isolation: 'serializable', default_transaction_read_only: 'on' }"

/** Where the answer is more than a name. */
const ANSWERS: ReadonlyArray<readonly [names: string, answer: string]> = [
  ['sslmode tls useSsl enableSsl requireSsl sslEnabled encrypt', SSL],
  ['sslrootcert sslcert sslkey sslpassword sslcrl sslcrldir sslcertmode sslsni sslMinProtocolVersion ' +
    'sslMaxProtocolVersion sslaccept sslidentity sslfactory sslCa ca cert key passphrase rejectUnauthorized tlsOptions sslOptions', TLS],
  ['connectionTimeout', CONNECT],
  ['keepAlive keepAliveInitialDelay tcpKeepAlive keepalives keepalivesIdle keepalivesInterval keepalivesCount', KEEPALIVE],
  ['tcpUserTimeout',
    'no such limit can be set from Node: connectTimeout, commandTimeout and checkIdle, in seconds, find a dead connection'],
  ['connection pool poolConfig poolOptions extra dbCredentials dialectOptions driverOptions credentials config', TOGETHER],
  ['timeout timeouts', TIMES],
  ['client driver driverFactory dialect native pg postgres stream socket Promise driverClassName dataSource ' +
    'dataSourceClassName connectionClass', DRIVER],
  ['backoff retry retries maxRetries retryDelay retryLimit connectionRetryLimit queryRetryLimit ' +
    'transactionRetryLimit reconnectTimeout createRetryInterval maxAttempts', RETRIES],
  ['binary binaryTransfer fetchTypes useUtc recordClass stringtype', VALUES],
  ['krbsrvname gsslib gssencmode gssdelegation', GSSAPI],
  ['isolation isolationLevel transactionIsolation readOnly deferrable autoCommit', ISOLATION],
  ['schema schemas currentSchema defaultSchema searchPath', "did you mean parameters? As in parameters: { search_path: 'app' }"],
  ['clientEncoding encoding charset', 'it is always UTF8'],
  ['replication publications', 'replication is not offered: keep a client of the driver for that'],
  ['allowExitOnIdle', 'await db.close() lets the process end'],
  ['reapInterval evict evictionRunInterval', 'idle connections are closed by themselves after idleTimeout, in seconds, not milliseconds'],
  ['channelBinding enableChannelBinding', "SCRAM's channel binding is not supported: ssl: 'verify-full' keeps out the same attackers"],
  ['sslnegotiation directTls', 'TLS is always asked for by an SSLRequest, never begun directly'],
  ['passfile service servicefile pgpass', 'no such file is read: use url, host, user and password; password may be a function'],
  ['loadBalanceHosts loadBalance', 'hosts are tried in their order; the first that suits targetSessionAttrs is taken'],
  ['uselibpqcompat', 'sslmode means what libpq means by it, but verify-ca checks the name as well'],
  ['path', 'did you mean host? It takes the folder of a Unix socket (and health.path is where the health route is)'],
]

/** Settings of the server that other drivers take as options. */
const SETTINGS =
  ['lock_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout', 'transaction_timeout', 'timezone', 'role',
    'datestyle', 'intervalstyle', 'extra_float_digits', 'work_mem', 'jit', 'geqo', 'default_transaction_isolation',
    'default_transaction_read_only', 'row_security', 'tcp_keepalives_idle']

/** Those that have an option or a better answer. */
const OTHER_SETTINGS = ['statement_timeout', 'search_path', 'transaction_isolation', 'transaction_read_only', 'transaction_deferrable']

/** Whether it is one of the server's settings that are also the name of an option elsewhere. */
export function isServerSetting (name: string): boolean {
  return [...SETTINGS, ...OTHER_SETTINGS].includes(name.toLowerCase()) || name.includes('.')
}

/** Of one call, and of one transaction. */
const OTHERS: ReadonlyArray<readonly [prefix: string, names: string, answer: string]> = [
  ['query.', 'timeout statementTimeout queryTimeout commandTimeout requestTimeout',
    'did you mean query.timeout? It takes seconds, not milliseconds'],
  ['query.', 'abortSignal cancelSignal', 'did you mean query.signal? It takes an AbortSignal'],
  ['query.', 'sql query statement', 'did you mean query.text?'],
  ['query.', 'values params parameters bindings args arguments', 'values follow the query one by one: fetchOne({ text }, 1, 2)'],
  ['query.', 'name', 'statements are prepared by themselves, and need no name; query.prepare: true prepares one at its first use'],
  ['query.', 'types typeParser binary', VALUES],
  ['transaction.', 'isolationLevel transactionIsolation isolation', 'did you mean transaction.isolation?'],
  ['transaction.', 'accessMode readOnly', 'did you mean transaction.readOnly? It takes true or false'],
  ['transaction.', 'deferrable', 'did you mean transaction.deferrable? It takes true or false'],
  ['transaction.', 'timeout maxWait', 'each statement has its own timeout, in seconds, and acquireTimeout is the wait for a connection'],
]

const plain = (name: string): string => name.replace(/[^a-z0-9]/gi, '').toLowerCase()

const answers = new Map<string, string>()
for (const [option, names] of Object.entries(NAMES)) for (const name of names.split(' ')) answers.set(plain(name), meant(option))
for (const [names, answer] of ANSWERS) for (const name of names.split(' ')) answers.set(plain(name), answer)
for (const [prefix, names, answer] of OTHERS) for (const name of names.split(' ')) answers.set(`${prefix}${plain(name)}`, answer)
for (const name of SETTINGS) {
  const unit = name.includes('timeout') ? ", in the server's units: '30s', or a number of milliseconds" : ''
  answers.set(plain(name), `did you mean parameters? As in parameters: { ${name}: … }${unit}`)
}
for (const option of Object.keys(RULES)) answers.set(plain(option), meant(option))

function meant (option: string): string {
  const takes = RULES[option as keyof typeof RULES].takes
  return `did you mean ${option}?${takes === SECONDS ? ' It takes seconds, not milliseconds' : ''}`
}

/** `idleTimeoutMillis`, `idle_timeout_ms`, `maxLifetimeSeconds` */
const UNIT = /(?:in)?(?:milliseconds|millis|msecs?|ms|seconds|secs?)$/

/**
 * What to say of an option that is another library's, or one of ours in another spelling: the option that is meant here and
 * its unit. `prefix`: `query.` for the options of a call, `transaction.` for those of a transaction.
 * Undefined if nobody has such an option.
 * @example foreignOption('idleTimeoutMillis') // 'did you mean idleTimeout? It takes seconds, not milliseconds'
 */
export function foreignOption (name: string, prefix = ''): string | undefined {
  const sought = `${prefix}${plain(name)}`
  return answers.get(sought) ?? answers.get(sought.replace(UNIT, ''))
}
