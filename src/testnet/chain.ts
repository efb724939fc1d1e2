/** The testnet's K2, in this process. Everybody's money is there at genesis, so that it can be counted at the end. */
import { readFile } from 'node:fs/promises'
import { loopbackHost } from '../config/index.ts'
import { generateKeyPair, type KeyPair } from '../identity/index.ts'
import { createK2Client, type K2Client } from '../k2/index.ts'
import { PROGRAM_ID } from '../k2/settlement/index.ts'
import { createLocalK2, createTraffic, type LocalK2, type Pace, type PaceFacts } from '../local-k2/index.ts'
import { type Member, nameOf } from './member.ts'
import { KEY_ROE, WALLET_ROE } from './money.ts'
import { createTransactionLog, type TransactionLog } from './transactions.ts'

export interface ChainInit {
  slotMs: number
  pace: Pace
  port: number
  settlementProgram: URL
  /** How many: each costs the wallet its pot and the stakes, and the nodes their fees. */
  tasks: number
  members: readonly Member[]
}

export interface Chain {
  k2: LocalK2
  client: K2Client
  /** Pays for the task and everybody's stake. */
  wallet: KeyPair
  /** Transfers between strangers, which begin with the rounds. */
  traffic: ReturnType<typeof createTraffic>
  /** What genesis gave, beside the faucet. */
  funded: ReadonlyArray<{ address: string; lamports: bigint }>
  log: TransactionLog
}

export async function startChain({ slotMs, pace, port, settlementProgram, tasks, members }: ChainInit): Promise<Chain> {
  const wallet = generateKeyPair()
  const traffic = createTraffic({ seed: 'koii-mesh testnet', transfersPerSlot: 3 })
  const funded = [
    { address: wallet.address, lamports: WALLET_ROE * BigInt(tasks) },
    ...members.filter(({ fault }) => fault !== 'no-fees').map(({ pair }) => ({ address: pair.address, lamports: KEY_ROE * BigInt(tasks) })),
    ...traffic.funded
  ]
  const k2 = await createLocalK2({
    slotMs,
    pace,
    host: loopbackHost(),
    port,
    genesis: { programs: [{ programId: PROGRAM_ID, bytes: await readFile(settlementProgram) }], funded }
  })
  // until there are rounds, a slot that takes long only makes the start take long
  k2.waitForFollowers(false)
  await k2.start()
  const log = createTransactionLog({ strangers: new Set(traffic.funded.map(({ address }) => address)) })
  k2.events.on('transaction', log.take)
  return { k2, client: createK2Client({ url: k2.url }), wallet, traffic, funded, log }
}

/** How long slots take, with the names of nodes. */
export function paceNow(k2: LocalK2, members: readonly Member[]): PaceFacts | null {
  const facts = k2.pace()
  return facts == null
    ? null
    : { ...facts, waitedFor: facts.waitedFor && { ...facts.waitedFor, name: nameOf(members, facts.waitedFor.name) } }
}
