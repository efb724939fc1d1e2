/** The ways in which a testnet's node can be told to misbehave. */
export const FAULTS = {
  'bad-proof': 'submits a wrong result',
  'no-proof': 'never serves its proof',
  silent: 'stops after the first round',
  equivocate: 'sends two different submissions',
  'no-fees': 'has no lamports for K2’s fees, so others bring its votes there'
} as const

export type Fault = keyof typeof FAULTS

export class FaultError extends Error {
  override name = 'FaultError'
}

/**
 * "bad-proof:2" to two faults.
 *
 * @throws FaultError
 */
export function parseFaults(specs: readonly string[]): Fault[] {
  return specs.flatMap((spec) => {
    const [kind = '', count = '1', ...rest] = spec.split(':')
    if (!Object.hasOwn(FAULTS, kind)) {
      throw new FaultError(
        `there is no fault "${kind}": choose from ${Object.entries(FAULTS)
          .map(([name, does]) => `${name} (${does})`)
          .join(', ')}`
      )
    }
    if (!/^[1-9]\d{0,2}$/.test(count) || rest.length > 0) {
      throw new FaultError(`--fault ${spec}: give it as KIND:COUNT, for example ${kind}:1`)
    }
    return Array.from({ length: Number(count) }, () => kind as Fault)
  })
}
