import type { KeyPair, SignerLog } from '../../src/identity/index.ts'
import { PROGRAM_ID } from '../../src/k2/settlement/index.ts'
import { createSigner, type Signer } from '../../src/signer/index.ts'

/** A Signer for what the tests' program is asked, with bids of up to one KOII. */
export function signerWith(keyPair: KeyPair, log: SignerLog): Signer {
  return createSigner({ keyPair, log, programId: PROGRAM_ID, maxFeeRoe: 1_000_000_000n })
}
