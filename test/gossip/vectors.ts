import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import type { Timing } from '../../src/clock/index.ts'
import { verifyEd25519 } from '../../src/identity/index.ts'
import { createJudge, createPool, REASONS, type Reason } from '../../src/judge/index.ts'
import { contactFault, createMessageIds, topicOf } from '../../src/network/index.ts'
import { countRpc } from '../../src/network/rpc.ts'
import { networkOf, open } from '../../src/wire/index.ts'

interface Networked {
  description: string
  genesisHash: string
  taskId: string
}
export type GossipVector =
  | (Networked & { kind: 'topic'; topic: string })
  /** The two ids of one message: the router's of the bytes, the mesh's of what is said. */
  | (Networked & { kind: 'ids'; envelope: string; routerId: string; messageId: string })
  /** What the router says of the one message of an RPC, whatever is in its envelope. */
  | (Networked & { kind: 'router'; rpc: string; expect: 'accept' | 'signed-by-router'; result: 'accept' | 'reject' })
  /** What is said of `envelope` at `slot` by a node that has seen `before`. `weights` hold in every cycle. */
  | (Networked & {
      kind: 'judge'
      timing: Timing
      slot: number
      weights: Record<string, string>
      before: string[]
      envelope: string
      expect: 'accept' | Reason
      result: 'accept' | 'ignore' | 'reject'
    })

export function walk(file: string): void {
  const vector = JSON.parse(readFileSync(file, 'utf8')) as GossipVector
  const network = networkOf(vector.genesisHash, vector.taskId)
  if (vector.kind === 'topic') {
    expect(topicOf(network)).to.equal(vector.topic)
    return
  }
  if (vector.kind === 'router') {
    const { messages, signed } = countRpc(Buffer.from(vector.rpc, 'hex'), [Buffer.from(topicOf(network))])!
    expect([messages, signed]).to.deep.equal([1, vector.expect === 'accept' ? 0 : 1])
    expect(vector.result).to.equal(vector.expect === 'accept' ? 'accept' : REASONS[vector.expect])
    return
  }
  const bytes = new Uint8Array(Buffer.from(vector.envelope, 'hex'))
  if (vector.kind === 'ids') {
    expect(Buffer.from(createMessageIds().msgIdFn({ data: bytes })).toString('hex')).to.equal(vector.routerId)
    expect(open(bytes, network).id).to.equal(vector.messageId)
    return
  }
  const pool = createPool()
  for (const envelope of vector.before) {
    pool.add(open(new Uint8Array(Buffer.from(envelope, 'hex')), network))
  }
  const judge = createJudge({
    network,
    timing: vector.timing,
    slot: () => vector.slot,
    stakes: { weight: (staker) => BigInt(vector.weights[staker] ?? '0') },
    pool,
    peers: { isStaked: () => true, isBanned: () => false },
    contactFault,
    verify: verifyEd25519
  })
  const verdict = judge.fromPeer(bytes, 'relay')
  expect(verdict.result === 'accept' ? 'accept' : verdict.reason).to.equal(vector.expect)
  expect(verdict.result).to.equal(vector.result)
  if (vector.expect !== 'accept') {
    expect(REASONS[vector.expect]).to.equal(vector.result)
  }
}
