/** Chains of records, right ones and others. */
import type { CID } from 'multiformats/cid'
import { type BuiltRecord, buildRecord, type CycleInputs, encodeRecord, type RecordContent, tally } from '../../src/record/index.ts'
import { alice } from '../wire/people.ts'
import { inputs } from './cycle.ts'

/** The records of these cycles, each on the one before it: alice gets 100 in each. The oldest first. */
export function chainOf(cycles: readonly number[], change: Partial<CycleInputs> = {}): BuiltRecord[] {
  const chain: BuiltRecord[] = []
  for (const cycle of cycles) {
    const before = chain.at(-1)
    const facts = inputs({
      cycle,
      previous: before == null ? null : { cid: before.cid, cycle: before.content.cycle },
      ledger: before?.ledger ?? new Map(),
      ...change
    })
    chain.push(buildRecord(facts, tally(facts), [{ staker: alice.address, amount: 100n }]))
  }
  return chain
}

/** The same record, but for what is changed, well encoded: whatever links to it has to be made anew. */
export function changed(record: BuiltRecord, change: Partial<RecordContent>): { cid: CID; blocks: BuiltRecord['blocks'] } {
  const own = encodeRecord({ ...record.content, ...change })
  return { cid: own[0]!.cid, blocks: [...own, ...record.blocks] }
}
