const [ZERO, DOT, DASH] = [48, 46, 45]

/** Powers of ten that are exact, and the halves of each, whose products are exact too. */
const POWERS = Float64Array.from({ length: 23 }, (_, power) => 10 ** power)
const UPPER = POWERS.map(upperHalf)
const LOWER = POWERS.map((power) => power - upperHalf(power))
/** More than the part by which a correction may be off. */
const DOUBT = 2 ** -48

/**
 * Digits, perhaps with a sign and a point → the nearest number, which is what `Number` makes of their text. NaN where it takes
 * that: for exponents, Infinity, more than 17 digits, and what lies so near to the middle of two numbers that this cannot tell.
 */
export function readDecimal (bytes: Buffer, at: number, end: number): number {
  const isNegative = bytes[at] === DASH
  const first = isNegative ? at + 1 : at
  let point = end
  let upper = 0 // the first nine digits
  let lower = 0 // the next eight
  let digits = 0 // without the zeros before them
  for (let from = first; from < end; from++) {
    const digit = (bytes[from] ?? 0) - ZERO
    if (digit < 0 || digit > 9) {
      if (digit !== DOT - ZERO || point !== end || from === first) return NaN
      point = from
    } else if (digits < 9) {
      upper = (upper * 10 + digit) | 0
      if (upper > 0) digits++
    } else {
      lower = (lower * 10 + digit) | 0
      digits++
    }
  }
  const places = point === end ? 0 : end - 1 - point
  if (first >= end || point === end - 1 || digits > 17 || places > 22) return NaN
  const value = quotient(upper, digits > 9 ? digits - 9 : 0, lower, places)
  return isNegative ? -value : value
}

/** (upper × 10^shift + lower) / 10^places, rounded once. */
function quotient (upper: number, shift: number, lower: number, places: number): number {
  const product = upper * (POWERS[shift] ?? NaN) // exact: the odd part of it has fewer than 53 bits
  const dividend = product + lower
  const divisor = POWERS[places] ?? NaN
  const value = dividend / divisor
  // The division of two exact numbers is rounded as it has to be.
  if (dividend <= Number.MAX_SAFE_INTEGER) return value
  // Otherwise the rest of it is found by Dekker's product of halves, and corrects the value.
  const valueUpper = upperHalf(value)
  const valueLower = value - valueUpper
  const upperDivisor = UPPER[places] ?? NaN
  const lowerDivisor = LOWER[places] ?? NaN
  const back = value * divisor
  const backError = valueUpper * upperDivisor - back + valueUpper * lowerDivisor + valueLower * upperDivisor + valueLower * lowerDivisor
  const correction = (dividend - back - backError + (lower - (dividend - product))) / divisor
  const least = value + correction * (1 - DOUBT)
  return least === value + correction * (1 + DOUBT) ? least : NaN
}

function upperHalf (number: number): number {
  const shifted = number * (2 ** 27 + 1)
  return shifted - (shifted - number)
}
