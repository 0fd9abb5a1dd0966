import { readdirSync } from 'node:fs'

/** Whatever the tests run, coverage is asked of these. */
const files = ['src', 'plugins', 'routes', 'testing'].flatMap((folder) => readdirSync(folder, { recursive: true }).filter((file) => file.endsWith('.ts')).map((file) => `${folder}/${file}`))
export default () => files
