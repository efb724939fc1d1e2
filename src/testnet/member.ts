/** One node of a testnet, as the testnet knows it: its keys, its process, and what it has said of itself. */
import { generateKeyPair, type KeyPair } from '../identity/index.ts'
import type { Fault } from './faults.ts'
import type { NodeProcess } from './node-process.ts'
import type { NodeRow } from './view.ts'

export interface Member {
  name: string
  pair: KeyPair
  /** Where its rewards go: no node has this key. */
  owner: KeyPair
  /** Address of its stake account. */
  stake: string
  fault: Fault | null
  process: NodeProcess
  row: NodeRow
  records: Map<number, string>
  /** Cycles of which it has told what became of its vote. */
  told: Set<number>
  interrupted: boolean
  crashed: string | null
  hint: string | null
  listens: boolean
  /** Its task does not run. */
  failed: boolean
  staked: boolean
  hasTask: boolean
  /** Counters of former processes of this node, and of the one that runs. */
  past: Stats[]
  stats: Stats | null
}

export interface Stats {
  gossip: { delivered: number; duplicates: number; signatureChecks: number }
  proofs: { fetched: number; bytes: number }
}

/** @param fault null for an honest node */
export function newMember(index: number, fault: Fault | null): Member {
  const pair = generateKeyPair()
  const name = `node-${index + 1}`
  return {
    name,
    pair,
    owner: generateKeyPair(),
    stake: '',
    fault,
    process: undefined as never,
    row: {
      name,
      staker: pair.address,
      fault,
      state: 'starting',
      peers: 0,
      work: '-',
      submitted: '-',
      audits: '-',
      challenged: '-',
      voted: '-',
      rewards: 0n
    },
    records: new Map(),
    told: new Set(),
    interrupted: false,
    crashed: null,
    hint: null,
    listens: false,
    failed: false,
    staked: false,
    hasTask: false,
    past: [],
    stats: null
  }
}

/** The name of a staker's node; of somebody else, the address. */
export function nameOf(members: readonly Member[], staker: string): string {
  return members.find(({ pair }) => pair.address === staker)?.name ?? staker
}
