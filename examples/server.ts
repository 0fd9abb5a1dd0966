import { stopSignal } from './stop.js'

/** `npm start`. Loading the rest takes a moment, in which a Ctrl-C already counts. */
const stop = stopSignal()
const { serve } = await import('./serve.js')
await serve(stop)
