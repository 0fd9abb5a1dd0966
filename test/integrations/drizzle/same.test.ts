import { testPrograms } from '../both-drivers.js'
import { over, overPostgresJs } from './drizzle.js'
import { PROGRAMS } from './programs.js'
import { TABLES } from './schema.js'

testPrograms({ over, overPostgresJs, tables: TABLES }, PROGRAMS)
