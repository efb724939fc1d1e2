/** K2 transactions and bytes of a round: the mesh's way and Koii's, on one local K2. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PublicKey, Transaction, type TransactionInstruction } from '@solana/web3.js'
import { SETTLEMENT_SO } from '../../src/cli/k2.ts'
import { type KeyPair, keyPairFromSeed, signEd25519 } from '../../src/identity/index.ts'
import { createK2Client, type K2Client } from '../../src/k2/index.ts'
import { createTask, createTaskAccount, fundTask, PROGRAM_ID, stake, TASK_BYTES, vote } from '../../src/k2/settlement/index.ts'
import { createLocalK2, type LocalK2, type LocalTransaction } from '../../src/local-k2/index.ts'
import { merkleRoot } from '../../src/record/index.ts'
import { KOII_PROGRAM_ID, type KoiiKind, koiiRound } from './koii-way.ts'
import { type BenchContext, BenchError, type Result, within } from './result.ts'

const STAND_IN = join(import.meta.dirname, 'koii-stand-in.so')
const ROE_PER_KOII = 1_000_000_000n
const BOUNTY = 10n * ROE_PER_KOII
const STAKE = 10n * ROE_PER_KOII
const TIMES = { roundSlots: 30, submissionWindow: 10, auditWindow: 18 }
/** TARGETS P23. */
const GOAL_BYTES = 0.1
const GOAL_WRITES = 1
/** Slots of the chain while it is prepared; it is held while it is measured. */
const SLOT_MS = 50

interface Sum {
  transactions: number
  bytes: number
  fees: bigint
}

export interface K2Init extends Pick<BenchContext, 'progress'> {
  sizes?: number[]
}

export async function benchK2({ progress, sizes = [5, 20] }: K2Init): Promise<Result[]> {
  const results: Result[] = []
  for (const nodes of sizes) {
    progress(`k2: ${nodes} nodes, the mesh's way and Koii's`)
    results.push(...(await compare(nodes)))
  }
  return results
}

async function compare(count: number): Promise<Result[]> {
  const key = (name: string): KeyPair => keyPairFromSeed(createHash('sha256').update(`koii-mesh bench/${count}/${name}`).digest())
  const manager = key('manager')
  const task = key('task')
  const nodes = Array.from({ length: count }, (_, at) => ({ wallet: key(`wallet ${at}`), staking: key(`staking ${at}`) }))
  const k2 = await createLocalK2({
    slotMs: SLOT_MS,
    port: 0,
    genesis: {
      programs: [
        { programId: PROGRAM_ID, bytes: readFileSync(SETTLEMENT_SO) },
        { programId: KOII_PROGRAM_ID, bytes: readFileSync(STAND_IN) }
      ],
      funded: [manager, ...nodes.flatMap(({ wallet, staking }) => [wallet, staking])].map(({ address }) => ({
        address,
        lamports: 1_000_000n * ROE_PER_KOII
      }))
    }
  })
  await k2.start()
  try {
    const client = createK2Client({ url: k2.url })
    const startingSlot = await prepare(client, k2, { manager, task, nodes })
    k2.hold()
    // cycle 0 is voted on in its third round
    k2.warpTo(startingSlot + 2 * TIMES.roundSlots)
    const chain = watch(k2)

    const root = merkleRoot(
      new Map(nodes.map(({ staking }) => [staking.address, { reward: BOUNTY / BigInt(count), slash: 0n }])),
      task.address
    )
    const totalRewards = (BOUNTY / BigInt(count)) * BigInt(count)
    const recordDigest = createHash('sha256').update('a record').digest()
    for (const { staking } of nodes) {
      const instruction = vote({ task: task.address, stakingKey: staking.address, cycle: 0, root, recordDigest, totalRewards })
      await chain.send(client, instruction, [staking])
    }
    const mesh = chain.take()
    k2.release()
    const settled = await client.task(task.address, k2.slot())
    if (settled.finalized?.cycle !== 0 || Buffer.compare(settled.finalized.root, root) !== 0) {
      throw new BenchError(`${count} votes ran, and yet the cycle is not finalized on K2`)
    }

    k2.hold()
    const kinds = new Map<KoiiKind, Sum>()
    const round = koiiRound({
      task: task.address,
      round: 0,
      nodes,
      bounty: BOUNTY,
      submission: (at) => createHash('sha256').update(`result of ${at}`).digest('hex')
    })
    for (const { kind, instruction, signers } of round) {
      await chain.send(client, instruction, signers)
      kinds.set(kind, add(kinds.get(kind), chain.take()))
    }
    return judge(count, mesh, kinds)
  } finally {
    await k2.stop()
  }
}

/** The ways in which a round of Koii's can go, by what is written in it. */
const ROUNDS: Array<{ name: string; kinds: KoiiKind[]; headline: boolean; note: string }> = [
  {
    name: 'every vote written',
    kinds: ['submission', 'auditVote', 'auditVoteBeyond5', 'listChunk', 'listSubmission', 'listVote', 'payout'],
    headline: true,
    note: 'each node writes its vote on each other submission and on the list'
  },
  {
    name: 'five votes a node',
    kinds: ['submission', 'auditVote', 'listChunk', 'listSubmission', 'listVote', 'payout'],
    headline: false,
    note: 'as newer wrappers do: votes on five submissions, and on the list'
  },
  {
    name: 'nothing contested',
    kinds: ['submission', 'listChunk', 'listSubmission', 'payout'],
    headline: false,
    note: 'wrappers write a vote that agrees only once somebody has disagreed: no votes at all'
  }
]

function judge(nodes: number, mesh: Sum, kinds: Map<KoiiKind, Sum>): Result[] {
  const results: Result[] = [
    within(GOAL_WRITES, {
      bench: 'k2',
      name: `mesh, ${nodes} nodes: writes per node and round`,
      value: mesh.transactions / nodes,
      unit: 'transactions',
      nodes,
      transactions: mesh.transactions,
      bytes: mesh.bytes,
      feesRoe: mesh.fees.toString(),
      note: `${describe(mesh)}; real votes, executed by the settlement program, which finalized the cycle`
    })
  ]
  for (const { name, kinds: wanted, headline, note } of ROUNDS) {
    const koii = wanted.reduce((sum, kind) => add(sum, kinds.get(kind)), none())
    const repeats = results.some((result) => result.koiiTransactions === koii.transactions)
    if (repeats) {
      // five nodes have no more than four others to vote on
      continue
    }
    const byKind = Object.fromEntries(wanted.flatMap((kind) => (kinds.has(kind) ? [[kind, kinds.get(kind)!.transactions]] : [])))
    const shared = { bench: 'k2' as const, unit: 'x', nodes, koiiTransactions: koii.transactions, koiiBytes: koii.bytes }
    const bytes: Result = {
      ...shared,
      name: `bytes, ${nodes} nodes, Koii's way with ${name}`,
      value: mesh.bytes / koii.bytes,
      koiiFeesRoe: koii.fees.toString(),
      koiiByKind: byKind,
      note: `mesh ${describe(mesh)}; Koii's way ${describe(koii)}: ${note}`
    }
    results.push(
      { ...shared, name: `transactions, ${nodes} nodes, Koii's way with ${name}`, value: mesh.transactions / koii.transactions },
      headline ? within(GOAL_BYTES, bytes) : bytes
    )
  }
  return results
}

function describe({ transactions, bytes, fees }: Sum): string {
  return `${transactions.toLocaleString('en')} transactions, ${bytes.toLocaleString('en')} bytes, ${fees.toLocaleString('en')} ROE of fees`
}

async function prepare(
  client: K2Client,
  k2: LocalK2,
  { manager, task, nodes }: { manager: KeyPair; task: KeyPair; nodes: Array<{ wallet: KeyPair; staking: KeyPair }> }
): Promise<number> {
  // far enough that all stakes are in before; the slots then jump there
  const startingSlot = k2.slot() + Math.ceil(60_000 / SLOT_MS)
  await client.send(
    [
      createTaskAccount({ payer: manager.address, task: task.address, lamports: await client.rentExemption(TASK_BYTES) }),
      createTask({
        ...TIMES,
        task: task.address,
        manager: manager.address,
        name: 'bench',
        startingSlot,
        bountyPerRound: BOUNTY,
        minStake: ROE_PER_KOII,
        bundle: 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'
      }),
      fundTask({ task: task.address, payer: manager.address, amount: 100n * BOUNTY })
    ],
    [manager, task].map(signerOf)
  )
  await Promise.all(
    nodes.map(({ wallet, staking }) =>
      client.send(
        [
          stake({
            task: task.address,
            stakingKey: staking.address,
            payer: wallet.address,
            amount: STAKE,
            withdrawAuthority: wallet.address,
            addressHint: '/ip4/127.0.0.1/tcp/4001'
          })
        ],
        [wallet, staking].map(signerOf)
      )
    )
  )
  if (k2.slot() >= startingSlot) {
    throw new BenchError('staking took longer than the time before the task starts: the machine is too busy, run it again')
  }
  return startingSlot
}

/** Sends over JSON-RPC, and sums up what the chain itself says that it executed. */
function watch(k2: LocalK2) {
  let sum = none()
  let failed: LocalTransaction | undefined
  k2.events.on('transaction', (transaction) => {
    failed ??= transaction.err == null ? undefined : transaction
    sum = add(sum, { transactions: 1, bytes: transaction.bytes, fees: transaction.fee })
  })
  return {
    async send(client: K2Client, instruction: TransactionInstruction, signers: KeyPair[]): Promise<void> {
      const transaction = new Transaction({
        feePayer: new PublicKey(signers[0]!.address),
        blockhash: k2.latestBlockhash(),
        lastValidBlockHeight: Number.MAX_SAFE_INTEGER
      }).add(instruction)
      const message = transaction.serializeMessage()
      for (const signer of signers) {
        transaction.addSignature(new PublicKey(signer.address), Buffer.from(signEd25519(message, signer.secretKey)))
      }
      const before = sum.transactions
      // the VM checks the signatures, and faster
      const wire = transaction.serialize({ verifySignatures: false })
      await client.connection.sendRawTransaction(wire, { preflightCommitment: 'processed' })
      if (failed != null || sum.transactions !== before + 1) {
        throw new BenchError(`a transaction was sent and not executed: ${JSON.stringify(failed?.err ?? 'the chain has not seen it')}`)
      }
    },
    /** What ran since the last time. */
    take(): Sum {
      const taken = sum
      sum = none()
      return taken
    }
  }
}

function none(): Sum {
  return { transactions: 0, bytes: 0, fees: 0n }
}

function add(a: Sum = none(), b: Sum = none()): Sum {
  return { transactions: a.transactions + b.transactions, bytes: a.bytes + b.bytes, fees: a.fees + b.fees }
}

function signerOf({ address, secretKey }: KeyPair) {
  return { address, sign: async (message: Uint8Array) => signEd25519(message, secretKey) }
}
