// One contender in a process of its own; processes/node.ts is its other end.
import { contenders, isNodeContender } from './all.js'
import { serve } from './serve.js'

const { BENCH_CONTENDER: name = '', BENCH_URL: url } = process.env
if (!isNodeContender(name) || url === undefined) throw new Error('processes/node.ts starts this file')
const { create, connections } = contenders[name]
await serve(() => create(url, `bench ${name}`, connections), (number = connections) => create(url, `bench another ${name}`, number))
