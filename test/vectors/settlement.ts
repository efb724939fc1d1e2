import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { ledgerLeaf, merkleProof, merkleRoot, verifyProof } from '../../src/record/index.ts'
import { bytes, hex, judge, type Vector } from '../settlement/vectors.ts'

/** The program's vectors; those of the ledger hold for src/record too, which makes the roots and proofs that it checks. */
export function walk(file: string): void {
  const vector = JSON.parse(readFileSync(file, 'utf8')) as Vector
  judge(vector)
  if (vector.kind === 'ledger') {
    const entries = vector.entries.map(({ staker, reward, slash }) => [staker, { reward: BigInt(reward), slash: BigInt(slash) }] as const)
    const ledger = new Map(entries)
    expect(hex(merkleRoot(ledger, vector.task))).to.equal(vector.root)
    for (const [staker] of entries) {
      expect(merkleProof(ledger, vector.task, staker)!.map(hex)).to.deep.equal(vector.proofs[staker])
    }
  }
  if (vector.kind === 'proof') {
    const { task: taskId, staker } = vector
    const entry = { reward: BigInt(vector.reward), slash: BigInt(vector.slash) }
    expect(hex(ledgerLeaf(taskId, staker, entry))).to.equal(vector.leaf)
    const proven = verifyProof({ root: bytes(vector.root), taskId, staker, entry, proof: vector.proof.map(bytes) })
    expect(proven).to.equal(vector.expect === 'ok')
  }
}
