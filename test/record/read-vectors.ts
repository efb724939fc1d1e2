/** Blocks of malformed records and ledgers, made from those of a good one. */
import * as dagCbor from '@ipld/dag-cbor'
import { type Block, blockOf } from '../../src/record/blocks.ts'
import type { BuiltRecord } from '../../src/record/index.ts'
import type { RecordVector } from '../vectors/record.ts'
import { alice, dave } from './cycle.ts'
import { blockJson, write } from './vector-files.ts'

export function writeReadVectors(record: BuiltRecord): void {
  const rootFields = dagCbor.decode(record.blocks[0]!.bytes) as Record<string, unknown>
  const ledgerBlock = record.blocks.find(({ cid }) => cid.equals(record.content.ledger))!
  const ledgerFields = dagCbor.decode(ledgerBlock.bytes) as Record<string, unknown>

  function writeRead(name: string, description: string, what: 'record' | 'ledger', root: Block, blocks: Block[], where: string): void {
    const vector: RecordVector = {
      description,
      kind: 'read',
      what,
      cid: root.cid.toString(),
      blocks: blocks.map(blockJson),
      expect: 'RecordMalformedError',
      where
    }
    write('record', name, vector)
  }
  const forgedRecord = (name: string, description: string, change: object, where: string, extra: Block[] = []) => {
    const fields = Object.entries({ ...rootFields, ...change }).filter(([, value]) => value !== undefined)
    const root = blockOf(Object.fromEntries(fields))
    writeRead(name, description, 'record', root, [root, ...record.blocks.slice(1), ...extra], where)
  }
  const chunkOf = (list: string) => {
    const [link] = rootFields[list] as Array<{ equals(other: unknown): boolean }>
    return dagCbor.decode(record.blocks.find(({ cid }) => link!.equals(cid))!.bytes) as unknown[]
  }
  const relisted = (name: string, description: string, list: string, entries: unknown[], where: string) => {
    const chunk = blockOf(entries)
    forgedRecord(name, description, { [list]: [chunk.cid] }, where, [chunk])
  }
  writeRead(
    'read-wrong-hash',
    'Another block came than was asked for.',
    'record',
    record.blocks[0]!,
    [{ cid: record.blocks[0]!.cid, bytes: record.blocks[1]!.bytes }],
    'record root block'
  )
  forgedRecord('read-version-3', 'A version of the future.', { version: 3 }, 'record.version')
  forgedRecord('read-version-1', 'A version of the past.', { version: 1 }, 'record.version')
  forgedRecord('read-beacon-31-bytes', 'A beacon of 31 bytes.', { beacon: new Uint8Array(31) }, 'record.beacon')
  forgedRecord('read-beacon-missing', 'No beacon.', { beacon: undefined }, 'record.beacon')
  forgedRecord('read-unknown-field', 'A field that records do not have.', { proposer: alice.publicKey }, 'record')
  forgedRecord('read-cycle-negative', 'A cycle below 0.', { cycle: -1 }, 'record.cycle')
  forgedRecord('read-root-31-bytes', 'A root of 31 bytes.', { root: new Uint8Array(31) }, 'record.root')
  forgedRecord(
    'read-pays-above-the-bounty',
    'The distribution pays more than the bounty that it names.',
    { bounty: 999 },
    'record.distribution'
  )
  forgedRecord('read-totals-too-low', 'Cumulative rewards below those of this cycle.', { totalRewards: 999 }, 'record.totalRewards')
  relisted(
    'read-distribution-unsorted',
    'Entries not in the order of the staking keys.',
    'distribution',
    chunkOf('distribution').reverse(),
    'record.distribution'
  )
  relisted(
    'read-staker-twice',
    'A staker twice.',
    'distribution',
    [chunkOf('distribution')[0], chunkOf('distribution')[0]],
    'record.distribution'
  )
  relisted('read-amount-zero', 'An entry without an amount.', 'distribution', [[alice.publicKey, 0]], 'record.distribution[0][0][1]')
  relisted('read-slash-negative', 'A slash is a positive amount.', 'slashes', [[dave.publicKey, -10]], 'record.slashes')
  relisted('read-messages-unsorted', 'Messages out of order.', 'messages', chunkOf('messages').reverse(), 'record.messages')
  relisted('read-message-twice', 'A message twice.', 'messages', [chunkOf('messages')[0], ...chunkOf('messages')], 'record.messages')
  const halves = [blockOf(chunkOf('messages').slice(0, 2)), blockOf(chunkOf('messages').slice(2))]
  forgedRecord(
    'read-chunks-not-full',
    'A list cut into more chunks than it needs.',
    { messages: halves.map(({ cid }) => cid) },
    'record',
    halves
  )
  const forgedLedger = (name: string, description: string, change: object, where: string) => {
    const root = blockOf({ ...ledgerFields, ...change })
    writeRead(name, description, 'ledger', root, [root, ...record.blocks.slice(-1)], where)
  }
  forgedLedger('read-ledger-wrong-root', 'A root that is not that of the entries.', { root: new Uint8Array(32).fill(1) }, 'ledger.root')
  forgedLedger('read-ledger-wrong-total', 'Rewards that do not add up.', { totalRewards: 1001 }, 'ledger.totalRewards')
}
