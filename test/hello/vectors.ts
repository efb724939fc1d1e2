import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { verifyEd25519 } from '../../src/identity/index.ts'
import { createPeers, judgeHello, rendezvousKey, stakerKey } from '../../src/network/index.ts'
import { networkOf } from '../../src/wire/index.ts'

interface Networked {
  description: string
  genesisHash: string
  taskId: string
}
export type HelloVector =
  | (Networked & { kind: 'rendezvous-key'; cid: string })
  | (Networked & { kind: 'staker-key'; staker: string; cid: string })
  /** `frame` is what the peer said, in hex, without its length. */
  | (Networked & {
      kind: 'hello'
      /** What was said before, and taken in, each by its own PeerId. */
      before?: Array<{ frame: string; remotePeer: string }>
      frame: string
      remotePeer: string
      slot: number
      /** @default 30 */
      roundSlots?: number
      stakers: string[]
      expect: string
    })

export async function walk(file: string): Promise<void> {
  const vector = JSON.parse(readFileSync(file, 'utf8')) as HelloVector
  const network = networkOf(vector.genesisHash, vector.taskId)
  switch (vector.kind) {
    case 'rendezvous-key':
      return void expect(String(await rendezvousKey(network))).to.equal(vector.cid)
    case 'staker-key':
      return void expect(String(await stakerKey(network, vector.staker))).to.equal(vector.cid)
    case 'hello': {
      const peers = createPeers({
        stakes: { weight: (staker) => (vector.stakers.includes(staker) ? 1n : 0n) },
        timing: { startingSlot: 0, roundSlots: vector.roundSlots ?? 30, submissionWindow: 12, auditWindow: 12 },
        slot: () => vector.slot
      })
      const judge = (frame: string, remotePeer: string) =>
        judgeHello(Buffer.from(frame, 'hex'), remotePeer, { network, peers, verify: verifyEd25519 })
      for (const { frame, remotePeer } of vector.before ?? []) {
        expect(judge(frame, remotePeer)).to.equal(undefined)
      }
      const fault = judge(vector.frame, vector.remotePeer)
      expect(fault ?? 'ok').to.equal(vector.expect)
      return void expect(peers.isStaked(vector.remotePeer)).to.equal(vector.expect === 'ok')
    }
  }
}
