import { closest, distance } from 'fastest-levenshtein'
import { OptionError } from '../errors/errors.js'
import { foreignOption } from './foreign-options.js'

/**
 * An option that is not known is an error: a typing error must not go unnoticed. It names the option that another library calls
 * like that, otherwise the nearest known one.
 */
export function rejectUnknown (options: object, known: readonly string[], prefix = ''): void {
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue
    const foreign = foreignOption(name, prefix)
    if (foreign !== undefined) throw new OptionError(`unknown option ${prefix}${name}: ${foreign}`)
    const nearest = closest(name, [...known])
    const isNear = distance(name, nearest) <= Math.max(2, name.length / 2)
    const hint = isNear ? `did you mean ${prefix}${nearest}?` : `known are ${known.join(', ')}`
    throw new OptionError(`unknown option ${prefix}${name}: ${hint}`)
  }
}
