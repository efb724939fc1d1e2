import { PublicKey, Transaction, type TransactionInstruction } from '@solana/web3.js'
import bs58 from 'bs58'
import { type KeyPair, signEd25519 } from '../identity/index.ts'
import { bidInstructions, largestPrice, nextPrice, recentPrice } from './compute-price.ts'
import { K2ContradictionError, K2TransactionError, messageOf } from './errors.ts'
import type { Broadcast, EndpointPool } from './pool.ts'
import { toText } from './reading.ts'
import { settlementError } from './settlement/index.ts'

/** Someone who signs K2 transactions: a key pair, or the Signer that holds the staking key elsewhere. */
export interface TransactionSigner {
  address: string
  sign(message: Uint8Array): Promise<Uint8Array>
}

/** A key pair that is at hand, as a signer. */
export function signerOf(pair: KeyPair): TransactionSigner {
  return { address: pair.address, sign: async (message) => signEd25519(message, pair.secretKey) }
}

export interface Sent {
  signature: string
  /** Size of the transaction on the wire. */
  bytes: number
}

/** A signed transaction and how long it can land. */
export interface Prepared {
  wire: Uint8Array
  signature: string
  blockhash: string
}

/** What is written to K2. */
export interface Transactions {
  /**
   * Sends and waits until it is confirmed. The first signer pays. What does not land bids for its place, when the client was made with
   * a `maxFeeRoe`; of two transactions that land one does what was asked for, and the other is refused and costs its fee.
   *
   * @throws K2TransactionError, a settlement refusal, K2UnreachableError
   */
  send(instructions: TransactionInstruction[], signers: TransactionSigner[]): Promise<Sent>
  /**
   * Signs without sending, on a blockhash that most endpoints know. The first signer pays.
   *
   * @param price - bid for a compute unit, in micro-lamports; 0 by default
   */
  prepare(instructions: TransactionInstruction[], signers: TransactionSigner[], price?: bigint): Promise<Prepared>
  /** What transactions that write to these accounts paid lately for a compute unit, in micro-lamports: a rumour. */
  marketPrice(accounts: string[]): Promise<bigint>
  /** Gives a signed transaction to all endpoints; refusals are named as those of `send`. */
  broadcast(wire: Uint8Array): Promise<Broadcast>
  /** Whether a transaction on this blockhash could still land, as most endpoints tell it. */
  blockhashValid(blockhash: string): Promise<boolean>
  /** What became of transactions: null where nothing is known. For telling, not for believing: one endpoint says so. */
  statuses(signatures: string[]): Promise<Array<{ slot: number; failed: boolean } | null>>
  /** Asks a local K2 or a test network for money. */
  airdrop(address: string, roe: bigint): Promise<void>
}

/** A confirmation takes a slot or two; past this the blockhash is near its end and a new try is due. */
const CONFIRM_TIMEOUT_MS = 30_000
/** On a local K2 whose slots take longer than usual, it is these that count, as long as they go on at all. */
const CONFIRM_SLOTS = 32
const LONGEST_CONFIRM_MS = 120_000
/** What has not landed after so many slots bids for its place. */
const BID_SLOTS = 8
/** K2's fee for each signature. */
const SIGNATURE_ROE = 5_000
/** Nine decimals, and none that says nothing. */
const koii = (roe: number) => (roe / 1e9).toFixed(9).replace(/\.?0+$/, '')
/** How many blockhashes are looked at before it is said that the endpoints do not know each other's. */
const BLOCKHASH_TRIES = 4

export interface TransactionsInit {
  pool: EndpointPool
  programId: string
  url: string
  /** The most, in ROE, that one transaction may pay on top of its signatures. */
  maxFeeRoe: bigint
  /** How long a transaction is waited for by the clock; default half a minute. */
  confirmMs?: number | undefined
}

export function createTransactions({ pool, programId, url, maxFeeRoe, confirmMs = CONFIRM_TIMEOUT_MS }: TransactionsInit): Transactions {
  const several = pool.endpoints.length > 1
  let disputes = 0

  const transactions: Transactions = {
    async prepare(instructions, signers, price = 0n) {
      const { blockhash, lastValidBlockHeight } = await freshBlockhash()
      const transaction = new Transaction({ feePayer: new PublicKey(signers[0]!.address), blockhash, lastValidBlockHeight }).add(
        ...instructions,
        // last, as some instructions name others by their place
        ...bidInstructions(price)
      )
      const message = transaction.serializeMessage()
      for (const signer of signers) {
        transaction.addSignature(new PublicKey(signer.address), Buffer.from(await signer.sign(message)))
      }
      return { wire: transaction.serialize(), signature: bs58.encode(transaction.signature!), blockhash }
    },
    async broadcast(wire) {
      const { accepted, refused } = await pool.broadcast(wire)
      return { accepted, refused: refused.map(({ name, error }) => ({ name, error: explain(error, programId) })) }
    },
    async blockhashValid(blockhash) {
      const { value } = await pool.agree({
        request: async (connection) => {
          const answer = await connection.isBlockhashValid(blockhash, { commitment: 'processed' })
          return { slot: answer.context.slot, value: answer.value }
        },
        digest: String,
        minSlot: pool.floor('confirmed')
      })
      return value
    },
    async statuses(signatures) {
      const { value } = await pool.read((connection) => connection.getSignatureStatuses(signatures, { searchTransactionHistory: true }))
      return value.map((status) => (status == null ? null : { slot: status.slot, failed: status.err != null }))
    },
    marketPrice: (addresses) =>
      pool.read(async (connection) => recentPrice(await connection.requestExact('getRecentPrioritizationFees', [addresses]))),
    async send(instructions, signers) {
      const waiting = newWait()
      const sent: Sent[] = []
      for (let price = 0n; ; ) {
        const { wire, signature } = await transactions.prepare(instructions, signers, price)
        const { accepted, refused } = await transactions.broadcast(wire)
        if (accepted.length > 0) {
          sent.push({ signature, bytes: wire.length })
        } else if (sent.length === 0) {
          throw await withBalance(refused[0]!.error, signers)
        }
        // one that was refused may be so because the one before has landed
        const last = accepted.length === 0 || price >= largestPrice(maxFeeRoe)
        const landed = await confirm(sent, waiting, last)
        if (landed != null) {
          return landed
        }
        const written = instructions.flatMap(({ keys }) =>
          keys.filter(({ isWritable }) => isWritable).map(({ pubkey }) => pubkey.toBase58())
        )
        const recent = await transactions.marketPrice([...new Set(written)]).catch(() => 0n)
        price = nextPrice({ former: price, recent, maxFeeRoe })
      }
    },
    async airdrop(address, roe) {
      // asked of one alone: a second one would give a second time
      const to = new PublicKey(address).toBase58()
      const signature = await pool.endpoints[0]!.ask((connection) => connection.requestExact('requestAirdrop', [to, roe]))
      await confirm([{ signature: String(signature), bytes: 0 }], newWait(), true)
    }
  }
  return transactions

  /** Who cannot pay is told what there is. */
  async function withBalance(error: unknown, signers: readonly TransactionSigner[]): Promise<unknown> {
    const payer = signers[0]!.address
    if (!(error instanceof K2TransactionError && error.unpayable)) {
      return error
    }
    const has = await pool.read((connection) => connection.getBalance(new PublicKey(payer))).catch(() => null)
    const balance = has == null ? '' : `${payer} has ${koii(has)} KOII, and the fee alone is ${koii(SIGNATURE_ROE * signers.length)}; `
    return new K2TransactionError(error.message.replace('fund the paying account first', `${balance}fund the paying account first`), {
      cause: error,
      unpayable: true
    })
  }

  /** A blockhash that most endpoints take for one: a transaction on any other is refused by all but the one that made it up. */
  async function freshBlockhash() {
    const disputed = []
    for (let turn = 0; turn < BLOCKHASH_TRIES; turn++) {
      const fresh = await pool.read((connection) => connection.getLatestBlockhash(), turn)
      if (!several) {
        return fresh
      }
      try {
        if (await transactions.blockhashValid(fresh.blockhash)) {
          return fresh
        }
      } catch (err) {
        if (!(err instanceof K2ContradictionError)) {
          throw err
        }
        disputed.push(fresh)
      }
    }
    // where one says yes and one says no, only trying tells, each time another one
    const tried = disputed[disputes++ % disputed.length]
    if (tried == null) {
      throw new K2ContradictionError(`the K2 endpoints do not know each other's blockhashes: some of ${url} are behind or of another chain`)
    }
    return tried
  }

  /**
   * Polls the statuses: the subscription's answer can be lost, and a lost answer must not cost a vote. The one of several transactions
   * for the same that has landed; undefined when none has after some slots and it is not the `last` time.
   */
  async function confirm(sent: Sent[], waiting: Wait, last: boolean): Promise<Sent | undefined> {
    const signatures = sent.map(({ signature }) => signature)
    let sinceSlot: number | undefined
    let isLastLook = false
    for (let waitMs = 25; !isLastLook; waitMs = Math.min(waitMs * 1.5, 400)) {
      // a process that was held up may ask for what the endpoint no longer has at hand
      isLastLook = !mayLand(waiting, confirmMs)
      const { value, slot } = await pool.agree({
        request: async (connection) => {
          const answer = await connection.getSignatureStatuses(signatures, { searchTransactionHistory: isLastLook })
          const statuses = answer.value.map((status) => ({
            done: status?.err != null || status?.confirmationStatus === 'confirmed' || status?.confirmationStatus === 'finalized',
            err: status?.err ?? null
          }))
          return { slot: answer.context.slot, value: statuses }
        },
        digest: toText
      })
      const landed = sent[value.findIndex(({ done, err }) => done && err == null)]
      if (landed != null) {
        return landed
      }
      const failure = value.find(({ err }) => err != null)
      if (failure != null && (last || value.every(({ err }) => err != null))) {
        throw explain(Object.assign(new Error(JSON.stringify(failure.err)), { err: failure.err }), programId, failure.err)
      }
      waiting.firstSlot = Math.min(waiting.firstSlot, slot)
      waiting.lastSlot = Math.max(waiting.lastSlot, slot)
      sinceSlot ??= slot
      if (!last && slot - sinceSlot >= BID_SLOTS) {
        return undefined
      }
      if (!isLastLook) {
        await new Promise((resolve) => setTimeout(resolve, waitMs))
      }
    }
    throw new K2TransactionError(
      `K2 at ${url} has not confirmed ${signatures.join(', ')} within ${Math.round(tookMs(waiting) / 1000)} s: it may still land; look at it before sending again`
    )
  }
}

/** How long a transaction has been waited for, by the clock and by K2's slots. */
interface Wait {
  startedMs: number
  firstSlot: number
  lastSlot: number
}

const newWait = (): Wait => ({ startedMs: performance.now(), firstSlot: Number.POSITIVE_INFINITY, lastSlot: 0 })
const tookMs = ({ startedMs }: Wait) => performance.now() - startedMs
const mayLand = (wait: Wait, confirmMs: number) =>
  tookMs(wait) < confirmMs || (wait.lastSlot - wait.firstSlot < CONFIRM_SLOTS && tookMs(wait) < LONGEST_CONFIRM_MS)

/**
 * What K2 said of a transaction, on one line. web3.js wraps it in words for programmers, and a simulation's last word may be missing:
 * then the program's log has it, or nobody.
 */
export function wordsOf(err: unknown): string {
  const message = messageOf(err)
  const said = /(?:Message:|resulted in an error\. *\n)\s*(.*?)\.? *(?:\n|Logs:|$)/s.exec(message)?.[1] ?? message.split('\n')[0] ?? ''
  const words = said.replaceAll(/\s+/g, ' ').replace(/[.:\s]+$/, '')
  if (words !== '' && !/^(Simulation failed|Transaction \w* ?resulted in an error)$/.test(words)) {
    return words
  }
  const failed = /"Program \w+ failed: ([^"]*)"/.exec(message)?.[1] ?? /"Program log: ([^"]*)"/.exec(message)?.[1]
  return failed ?? 'its simulation failed, and the endpoint does not say why'
}

function explain(err: unknown, programId: string, detail: unknown = err): Error {
  const refused = settlementError(detail, programId)
  if (refused != null) {
    return refused
  }
  const message = wordsOf(err)
  if (/insufficient (funds|lamports)|debit an account but found no record|InsufficientFundsFor(Fee|Rent)|AccountNotFound/i.test(message)) {
    return new K2TransactionError(`not enough KOII to pay for the transaction (${message}): fund the paying account first`, {
      cause: err,
      unpayable: true
    })
  }
  return err instanceof Error && err.name.startsWith('K2')
    ? err
    : new K2TransactionError(`K2 refused the transaction: ${message}`, { cause: err })
}
