export { freePort } from '../../testing/postgres/free-port.js'
