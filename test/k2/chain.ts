/** A real local K2 with a task and stakers on it, for what talks to K2. */

import { readFile } from 'node:fs/promises'
import type { Timing } from '../../src/clock/index.ts'
import { generateKeyPair, type KeyPair, signEd25519 } from '../../src/identity/index.ts'
import { createK2Client, type K2Client, type TransactionSigner } from '../../src/k2/index.ts'
import {
  createTask,
  createTaskAccount,
  fundTask,
  instructionName,
  PROGRAM_ID,
  stake as stakeInstruction,
  TASK_BYTES
} from '../../src/k2/settlement/index.ts'
import { createLocalK2, type LocalK2, type LocalK2Init } from '../../src/local-k2/index.ts'

export { eventually, failureOf, silent } from './waits.ts'

export const KOII = 1_000_000_000n
export const BUNDLE = 'bafybeih3z6zsso2u3zfsclofpftq7htrrljwn7yn5w2r7rrr2zsldnyxky'
const PROGRAM = new URL('../../protocols/settlement/settlement.so', import.meta.url)

export function signerOf(pair: KeyPair): TransactionSigner {
  return { address: pair.address, sign: async (message) => signEd25519(message, pair.secretKey) }
}

export interface Chain {
  k2: LocalK2
  client: K2Client
  task: string
  timing: Timing
  wallet: KeyPair
  stakers: KeyPair[]
  /** Cycles of the final votes that ran without error, by staker, in order. */
  votes: Array<{ staker: string; cycle: number }>
  stake(staker: KeyPair, roe: bigint, addressHint?: string): Promise<void>
  /** One more task, with the same rounds and stakers. @returns its address */
  addTask(name: string, bundle?: string, task?: KeyPair): Promise<string>
  /** Goes to the first slot of a round; `at` slots into it. */
  toRound(round: number, at?: number): void
  /** Puts an end to the chain and starts it again from its folder, at the same port. Needs a `dataDir`. */
  stop(): Promise<void>
  start(): Promise<void>
  close(): Promise<void>
}

/** Rounds of 100 slots, so that a busy machine does not leave a window unseen; the task starts at the next slot. */
export async function startChain({
  stakers: count = 3,
  roundSlots = 100,
  leadSlots = 200,
  ...init
}: { stakers?: number; roundSlots?: number; leadSlots?: number } & LocalK2Init = {}): Promise<Chain> {
  const wallet = generateKeyPair()
  const stakers = Array.from({ length: count }, () => generateKeyPair())
  const genesis = {
    programs: [{ programId: PROGRAM_ID, bytes: await readFile(PROGRAM) }],
    funded: [{ address: wallet.address, lamports: 1_000_000n * KOII }, ...stakers.map(({ address }) => ({ address, lamports: KOII }))]
  }
  const options: LocalK2Init = { port: 0, slotMs: 20, genesis, ...init }
  let k2 = await createLocalK2(options)
  await k2.start()
  const client = createK2Client({ url: k2.url })
  const firstTask = generateKeyPair()
  const timing: Timing = { startingSlot: k2.slot() + leadSlots, roundSlots, submissionWindow: 40, auditWindow: 50 }
  const votes: Chain['votes'] = []
  const watch = () =>
    k2.events.on('transaction', ({ err, instructions }) => {
      for (const { programId, data, accounts } of instructions) {
        if (err == null && programId === PROGRAM_ID && instructionName(data) === 'vote') {
          votes.push({ staker: accounts[0]!, cycle: Number(Buffer.from(data).readBigUInt64LE(1)) })
        }
      }
    })
  watch()
  const stakeOn = async (task: string, staker: KeyPair, amount: bigint, addressHint?: string) => {
    const hint = addressHint == null ? {} : { addressHint }
    const stake = { task, stakingKey: staker.address, payer: wallet.address, amount, withdrawAuthority: wallet.address, ...hint }
    await client.send([stakeInstruction(stake)], [signerOf(wallet), signerOf(staker)])
  }
  const create = async (task: KeyPair, name: string, bundle: string) => {
    await client.send(
      [
        createTaskAccount({ payer: wallet.address, task: task.address, lamports: await client.rentExemption(TASK_BYTES) }),
        createTask({
          task: task.address,
          manager: wallet.address,
          name,
          ...timing,
          bountyPerRound: 10n * KOII,
          minStake: KOII,
          bundle
        }),
        fundTask({ task: task.address, payer: wallet.address, amount: 1000n * KOII })
      ],
      [signerOf(wallet), signerOf(task)]
    )
    for (const staker of stakers) {
      await stakeOn(task.address, staker, 10n * KOII)
    }
    return task.address
  }
  const chain: Chain = {
    get k2() {
      return k2
    },
    client,
    task: firstTask.address,
    timing,
    wallet,
    stakers,
    votes,
    stake: (staker, roe, addressHint) => stakeOn(firstTask.address, staker, roe, addressHint),
    addTask: (name, bundle = BUNDLE, task = generateKeyPair()) => create(task, name, bundle),
    toRound(round, at = 0) {
      const slot = timing.startingSlot + round * timing.roundSlots + at
      if (slot > k2.slot()) {
        k2.warpTo(slot)
      }
    },
    stop: () => k2.stop(),
    async start() {
      const port = Number(new URL(k2.url).port)
      k2 = await createLocalK2({ ...options, port })
      await k2.start()
      watch()
    },
    async close() {
      client.close()
      await k2.stop()
    }
  }
  await create(firstTask, 'test', BUNDLE)
  return chain
}
