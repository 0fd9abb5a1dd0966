// What the driver is told instead of the server's own words: only that there was an answer, never what it is.

export const NO_DATA: Buffer = Buffer.from([0x6e, 0, 0, 0, 4])
export const READY: Buffer = Buffer.from([0x5a, 0, 0, 0, 5, 0x49])
export const ERROR: Buffer = Buffer.from('E\0\0\0\x1aSERROR\0CXX000\0Merror\0\0', 'latin1')
/** AuthenticationOk and ReadyForQuery: the session is authenticated before the driver hears of it. */
export const AUTHENTICATED: Buffer = Buffer.concat([Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0]), READY])
