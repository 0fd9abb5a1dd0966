// One HTTP contender in a process of its own; processes/http.ts starts it.
import { once } from 'node:events'
import { apps, isHttpContender } from './apps.js'

const { BENCH_CONTENDER: name = '', BENCH_URL: url = '', BENCH_PORT: port } = process.env
if (!isHttpContender(name)) throw new Error('processes/http.ts starts this file')
await apps[name](url, `bench ${name}`).listen({ host: '127.0.0.1', port: Number(port) })
await once(process, 'disconnect')
process.exit()
