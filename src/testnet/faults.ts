/** The ways in which a testnet's node can be told to misbehave. */
export const FAULTS = {
  'bad-proof': 'submits a wrong result',
  'no-proof': 'never serves its proof',
  silent: 'stops after the first round',
  equivocate: 'sends two different submissions',
  'no-fees': 'has no lamports for K2’s fees, so others bring its votes there',
  'false-verdict': 'calls everybody’s work invalid, with little stake',
  'late-challenge': 'challenges everybody when there is hardly time to answer, with little stake',
  'quota-split': 'tells each half of the mesh as much as it takes of one signer, with little stake',
  'late-release': 'hands in a wrong result when nobody looks any more, with little stake',
  'split-proposer': 'proposes and approves two records, each to half of the mesh'
} as const

/** Faults that show what a small stake can do have one: a tenth of the others'. */
export const SMALL_STAKES: ReadonlySet<Fault> = new Set(['false-verdict', 'late-challenge', 'quota-split', 'late-release'])

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
