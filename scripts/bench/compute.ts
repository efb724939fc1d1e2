/** What the settlement program's instructions cost in compute units, on the real VM with the program as committed. */
import { createHash } from 'node:crypto'
import { PublicKey } from '@solana/web3.js'
import { signEd25519 } from '../../src/identity/index.ts'
import { VOTES_IN_TRANSACTION } from '../../src/k2/index.ts'
import {
  claim,
  createTask,
  createTaskAccount,
  fundTask,
  PROGRAM_ID,
  stake,
  TASK_BYTES,
  vote,
  voteBatch,
  voteMessage
} from '../../src/k2/settlement/index.ts'
import { type Ledger, merkleProof, merkleRoot } from '../../src/record/index.ts'
import { BOUNTY, b58, type Member, Scene, type Sent } from '../../test/settlement/vm.ts'
import { type BenchContext, BenchError, type Result, within } from './result.ts'
import { median } from './statistics.ts'

export interface ComputeInit extends Pick<BenchContext, 'progress'> {
  /** Stakers in the large ledger. */
  manyStakers?: number
  /** How often each instruction runs, with other keys: how long an address takes to derive depends on the keys. */
  repeats?: number
}

export function benchCompute({ progress, manyStakers = 10_000, repeats = 10 }: ComputeInit): Result[] {
  const units = new Map<string, number[]>()
  const bytes = new Map<string, number>()
  const take = (name: string, sent: Sent) => {
    units.set(name, [...(units.get(name) ?? []), programUnits(sent)])
    bytes.set(name, Math.max(bytes.get(name) ?? 0, sent.bytes))
  }

  let strangers: string[] | undefined
  for (let repeat = 0; repeat < repeats; repeat++) {
    progress(`compute: ${repeat + 1} of ${repeats}`)
    const scene = new Scene({ stakes: [] })
    take('createTask', createOne(scene))
    take('fundTask', scene.must(fundTask({ task: scene.task, payer: b58(scene.manager), amount: BOUNTY }), scene.manager))
    const members = Array.from({ length: 5 }, () => {
      const { member, sent } = stakeOne(scene)
      take('stake', sent)
      return member
    })
    const ledger = ledgerOf(members)
    for (const [at, sent] of voteAll(scene, members, ledger).entries()) {
      // more than 2/3 of five equal stakes is four
      take(at === 0 ? 'vote, the first of a cycle' : at === 3 ? 'vote, the one that finalizes' : 'vote', sent)
    }
    // of five leaves one is carried up alone: four of them have the longest proof
    const deepest = members.toSorted((a, b) => proofLength(ledger, scene.task, b) - proofLength(ledger, scene.task, a))[0]!
    take('claim among 5 stakers', claimOne(scene, deepest, ledger))

    const crowd = new Scene({ stakes: Array(VOTES_IN_TRANSACTION).fill(1_000n) })
    take(`vote batch of ${VOTES_IN_TRANSACTION}, as many as a transaction holds`, batchOf(crowd))

    const large = new Scene({ stakes: [1_000n] })
    // the strangers are the same in every run, which saves hashing their names again
    strangers ??= strangersOf(manyStakers - 1)
    const many = ledgerOf(large.members, strangers)
    voteAll(large, large.members, many)
    take(`claim among ${manyStakers.toLocaleString('en')} stakers`, claimOne(large, large.members[0]!, many))
  }

  const rows = [...units]
    .sort(([a], [b]) => order(a) - order(b))
    .map(([name, values]) => ({
      bench: 'compute' as const,
      name,
      value: median(values),
      unit: 'compute units',
      min: Math.min(...values),
      max: Math.max(...values),
      runs: values.length,
      note: `${Math.min(...values)} to ${Math.max(...values)} over ${values.length} runs with other keys; the program alone, of 200,000 that an instruction has by default`
    }))
    .map((row) => withGoal(row, goalOf(row.name)))
  const sizes = [...bytes]
    .filter(([name]) => name === 'vote' || name.startsWith('vote batch'))
    .map(([name, value]) =>
      within(name === 'vote' ? VOTE_BYTES : PACKET_BYTES, {
        bench: 'compute',
        name: `${name}: its transaction`,
        value,
        unit: 'bytes',
        note: 'signed by whoever pays, with nothing else in it'
      })
    )
  return [...rows, ...sizes]
}

/** What the program is to stay below, by how a row's name begins. */
const GOALS: Array<[start: string, units: number]> = [
  ['vote batch', 200_000],
  ['vote', 3_000],
  ['claim', 25_000]
]
const VOTE_BYTES = 320
/** The most that K2 takes as one transaction. */
const PACKET_BYTES = 1_232

const goalOf = (name: string): number | undefined => GOALS.find(([start]) => name.startsWith(start))?.[1]

/** Judged on the costliest run. */
function withGoal<T extends Result & { max: number }>(row: T, goal: number | undefined): Result {
  return goal == null ? row : { ...row, goal, met: row.max <= goal }
}

const ORDER = ['vote', 'claim', 'createTask', 'stake', 'fundTask']
const order = (name: string) => ORDER.findIndex((start) => name.startsWith(start))

/** What the VM says that the program consumed: the transaction's other instructions (creating the account) are not the program's. */
function programUnits({ logs }: Sent): number {
  const line = logs.find((one) => one.startsWith(`Program ${PROGRAM_ID} consumed `))
  const units = Number(/consumed (\d+) of/.exec(line ?? '')?.[1])
  if (!(units > 0)) {
    throw new BenchError(`the VM's log does not say what the program consumed: ${logs.join(' | ')}`)
  }
  return units
}

function createOne(scene: Scene): Sent {
  const task = scene.vm.wallet(0n)
  const manager = b58(scene.manager)
  return scene.must(
    [
      createTaskAccount({ payer: manager, task: b58(task), lamports: scene.vm.rentExemption(TASK_BYTES) }),
      createTask({
        task: b58(task),
        manager,
        name: 'k2-index',
        roundSlots: 30,
        submissionWindow: 10,
        auditWindow: 18,
        startingSlot: scene.vm.slot + 10,
        bountyPerRound: BOUNTY,
        minStake: 1000n,
        bundle: 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'
      })
    ],
    scene.manager,
    task
  )
}

function stakeOne(scene: Scene): { member: Pick<Member, 'key' | 'staker' | 'wallet'>; sent: Sent } {
  const [key, wallet] = [scene.vm.wallet(), scene.vm.wallet()]
  const sent = scene.must(
    stake({
      task: scene.task,
      stakingKey: b58(key),
      payer: b58(wallet),
      amount: 1_000n,
      withdrawAuthority: b58(wallet),
      addressHint: '/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA'
    }),
    wallet,
    key
  )
  return { member: { key, staker: b58(key), wallet }, sent }
}

function strangersOf(count: number): string[] {
  return Array.from({ length: count }, (_, at) => b58(new PublicKey(createHash('sha256').update(`staker ${at}`).digest())))
}

/** Everyone's vote by one transaction of somebody without stake. */
function batchOf(scene: Scene): Sent {
  scene.toVote(0)
  const content = { cycle: 0, root: Buffer.alloc(32, 1), recordDigest: Buffer.alloc(32, 2), totalRewards: 1n }
  const message = voteMessage({ task: scene.task, ...content })
  const votes = scene.members.map(({ key, staker }) => ({ staker, stakingKey: staker, signature: signEd25519(message, key.secretKey) }))
  const sent = scene.must(voteBatch({ task: scene.task, ...content, votes }), scene.vm.wallet())
  if (scene.state.finalized?.cycle !== 0) {
    throw new BenchError('a batch of all votes went through, and yet the cycle is not finalized')
  }
  return sent
}

/** Every member earned the same; `others` are in the ledger without being on this VM. */
function ledgerOf(members: ReadonlyArray<Pick<Member, 'staker'>>, others: readonly string[] = []): Ledger {
  const stakers = [...members.map(({ staker }) => staker), ...others]
  const reward = BOUNTY / BigInt(stakers.length)
  return new Map(stakers.map((staker) => [staker, { reward, slash: 0n }]))
}

function voteAll(scene: Scene, members: ReadonlyArray<Pick<Member, 'key' | 'staker'>>, ledger: Ledger): Sent[] {
  scene.toVote(0)
  const result = {
    root: merkleRoot(ledger, scene.task),
    recordDigest: createHash('sha256').update('a record').digest(),
    totalRewards: [...ledger.values()].reduce((sum, { reward }) => sum + reward, 0n)
  }
  const sent = members.map(({ key, staker }) => scene.must(vote({ task: scene.task, stakingKey: staker, cycle: 0, ...result }), key))
  if (scene.state.finalized?.cycle !== 0) {
    throw new BenchError('all votes went through, and yet the cycle is not finalized')
  }
  return sent
}

function proofLength(ledger: Ledger, task: string, { staker }: Pick<Member, 'staker'>): number {
  return merkleProof(ledger, task, staker)?.length ?? 0
}

function claimOne(scene: Scene, { staker, wallet }: Pick<Member, 'staker' | 'wallet'>, ledger: Ledger): Sent {
  const proof = merkleProof(ledger, scene.task, staker)
  const entry = ledger.get(staker)
  if (proof == null || entry == null) {
    throw new BenchError(`the ledger has no ${staker}`)
  }
  const before = scene.vm.balance(b58(wallet))
  const sent = scene.must(claim({ task: scene.task, staker, withdrawAuthority: b58(wallet), ...entry, proof }), scene.manager)
  if (scene.vm.balance(b58(wallet)) !== before + entry.reward) {
    throw new BenchError('a claim went through and did not pay')
  }
  return sent
}
