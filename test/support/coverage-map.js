import { readdirSync } from 'node:fs'

/** Whatever the tests run, coverage is asked of these. */
const files = ['src', 'plugins', 'routes'].flatMap((folder) => readdirSync(folder).map((file) => `${folder}/${file}`))
export default () => files
