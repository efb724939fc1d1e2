/** The vectors of protocols whose walker needs processes, nodes or the VM. */
import { describeVectors } from './walk-vectors.ts'

describe('vectors, apart', () => {
  describeVectors({
    proofs: () => import('./vectors/proofs.ts'),
    settlement: () => import('./vectors/settlement.ts'),
    task: () => import('./vectors/task.ts')
  })
})
