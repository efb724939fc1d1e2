/** The same claim with another number in it; text without numbers gets a letter more. */
export function wrongValue(value: string): string {
  // a number that stands alone as a JSON value: digits inside a CID or a key would make it malformed rather than wrong
  const changed = value.replace(/:(\d+)([,}])/, (_all, digits: string, end: string) => `:${BigInt(digits) + 1n}${end}`)
  return changed === value ? `${value}x` : changed
}
