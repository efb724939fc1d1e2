import { createHash } from 'node:crypto'
import { type KeyPair, keyPairFromSeed } from '../identity/index.ts'
import type { LocalK2 } from './local-k2.ts'
import { signTransfer } from './transfer.ts'

/** What each account of the traffic begins with: 100 KOII, years of fees and transfers. */
const ACCOUNT_LAMPORTS = 100_000_000_000n
/** More than all lamports in being: a transfer of so much fails. */
const UNPAYABLE_LAMPORTS = 2n ** 63n

/** Where traffic goes over RPC. */
export interface TrafficTarget {
  latestBlockhash(): Promise<string>
  /** Sends signed bytes without preflight. */
  send(transaction: Uint8Array): Promise<unknown>
}

/** What of a `LocalK2` the traffic touches. */
export type LocalTarget = Pick<LocalK2, 'events' | 'latestBlockhash' | 'send'>

/** One transfer of the stream. */
export interface PlannedTransfer {
  from: KeyPair
  to: KeyPair
  lamports: bigint
  /** Asks for more than there is, so that a failed transaction comes onto the chain. */
  fails: boolean
}

/** A stream of transfers among accounts of its own. */
export interface Traffic {
  /** The accounts with what they begin with: put them into the genesis, or pay them before the traffic starts. */
  readonly funded: Array<{ address: string; lamports: bigint }>
  /** The next slot's transfers, by the seed. */
  next(): PlannedTransfer[]
  /** Sends the next slot's transfers, to a chain over RPC. Called once per slot. @returns how many */
  sendTo(target: TrafficTarget): Promise<number>
  /** Sends each slot's transfers to a local K2 as the slot begins, until the returned function is called. */
  follow(k2: LocalTarget): () => void
}

/**
 * Makes a stream of system transfers that its seed decides: the accounts, and who pays whom how much in the first, second, third
 * slot of its life. (Signatures differ from run to run, because blockhashes do.)
 *
 * @param init.seed any text
 * @param init.accounts how many accounts pay each other; default 20
 * @param init.transfersPerSlot default 4
 * @param init.failEvery one in so many transfers fails, on average; 0 for none; default 10
 */
export function createTraffic(init: { seed: string; accounts?: number; transfersPerSlot?: number; failEvery?: number }): Traffic {
  const { seed, accounts = 20, transfersPerSlot = 4, failEvery = 10 } = init
  if (!(accounts >= 2 && transfersPerSlot >= 0 && failEvery >= 0)) {
    throw new RangeError('traffic needs at least two accounts, and counts that are not negative')
  }
  const bytes = (label: string) =>
    createHash('sha256')
      .update(JSON.stringify(['koii-mesh traffic', seed, label]))
      .digest()
  const keys = Array.from({ length: accounts }, (_, i) => keyPairFromSeed(bytes(`account ${i}`)))
  let sent = 0
  const next = (): PlannedTransfer[] =>
    Array.from({ length: transfersPerSlot }, () => {
      const random = bytes(`transfer ${sent++}`)
      const from = random.readUInt32LE(0) % accounts
      // anyone but the payer
      const to = (from + 1 + (random.readUInt32LE(4) % (accounts - 1))) % accounts
      const fails = failEvery > 0 && random.readUInt32LE(8) % failEvery === 0
      const lamports = fails ? UNPAYABLE_LAMPORTS + random.readBigUInt64LE(12) / 4n : 1n + (random.readBigUInt64LE(12) % 1_000_000n)
      return { from: keys[from]!, to: keys[to]!, lamports, fails }
    })
  const signed = (blockhash: string) =>
    next().map(({ from, to, lamports }) => signTransfer({ from, to: to.publicKey, lamports, blockhash }))
  return {
    funded: keys.map(({ address }) => ({ address, lamports: ACCOUNT_LAMPORTS })),
    next,
    async sendTo(target) {
      const transactions = signed(await target.latestBlockhash())
      for (const transaction of transactions) {
        await target.send(transaction)
      }
      return transactions.length
    },
    follow(k2) {
      const onSlot = () => {
        for (const transaction of signed(k2.latestBlockhash())) {
          k2.send(transaction)
        }
      }
      k2.events.on('slot', onSlot)
      return () => k2.events.off('slot', onSlot)
    }
  }
}
