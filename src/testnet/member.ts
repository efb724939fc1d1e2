/** One node of a testnet, as the testnet knows it: its keys, its process, and what it has said of itself. */
import { generateKeyPair, type KeyPair } from '../identity/index.ts'
import type { Fault } from './faults.ts'
import type { NodeProcess } from './node-process.ts'

export interface Member {
  name: string
  pair: KeyPair
  /** Where its rewards go: no node has this key. */
  owner: KeyPair
  fault: Fault | null
  process: NodeProcess
  interrupted: boolean
  crashed: string | null
  hint: string | null
  listens: boolean
  /** Its stakes are made, or on their way. */
  staked: boolean
  /** Counters of former processes of this node. */
  past: Stats[]
  /** Of the one that runs, what it told last for each task, and of the whole node as null; the newest last. */
  stats: Map<string | null, Stats>
}

export interface Stats {
  gossip: { delivered: number; duplicates: number; signatureChecks: number }
  proofs: { fetched: number; bytes: number }
}

/** @param fault null for an honest node */
export function newMember(index: number, fault: Fault | null): Member {
  return {
    name: `node-${index + 1}`,
    pair: generateKeyPair(),
    owner: generateKeyPair(),
    fault,
    process: undefined as never,
    interrupted: false,
    crashed: null,
    hint: null,
    listens: false,
    staked: false,
    past: [],
    stats: new Map()
  }
}

/** What a process has counted; null when it has told nothing. Gossip is counted for each task, proofs for all of them together. */
export function countersOf({ stats }: Pick<Member, 'stats'>): Stats | null {
  const all = [...stats.values()]
  const last = stats.get(null) ?? all.at(-1)
  if (last == null || stats.has(null)) {
    return last ?? null
  }
  const sum = (name: keyof Stats['gossip']) => all.reduce((so, { gossip }) => so + gossip[name], 0)
  return {
    gossip: { delivered: sum('delivered'), duplicates: sum('duplicates'), signatureChecks: sum('signatureChecks') },
    proofs: last.proofs
  }
}

/** The name of a staker's node; of somebody else, the address. */
export function nameOf(members: readonly Member[], staker: string): string {
  return members.find(({ pair }) => pair.address === staker)?.name ?? staker
}
