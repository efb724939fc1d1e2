import { type Connection, PublicKey, Transaction, type TransactionInstruction } from '@solana/web3.js'
import pRetry from 'p-retry'
import { type KeyPair, signEd25519 } from '../identity/index.ts'
import { ask, connect, disconnect } from './connection.ts'
import { K2AccountError, K2ArgumentError, K2TransactionError, messageOf } from './errors.ts'
import {
  decodeStake,
  decodeTask,
  PROGRAM_ID,
  type StakeAccount,
  settlementError,
  stakeAddress,
  stakeFilters,
  type TaskAccount,
  taskFilters
} from './settlement/index.ts'

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

export interface K2Client {
  url: string
  programId: string
  connection: Connection
  genesisHash(): Promise<string>
  /** @throws K2AccountError when there is no such task; K2ArgumentError, K2UnreachableError */
  task(id: string, minSlot?: number): Promise<TaskAccount>
  tasks(): Promise<TaskAccount[]>
  /** The stakes in a task. What does not decode is left out: one odd account must not hide the others. */
  stakes(task: string, minSlot?: number): Promise<StakeAccount[]>
  stake(task: string, staker: string): Promise<StakeAccount | undefined>
  balance(address: string): Promise<bigint>
  rentExemption(bytes: number): Promise<number>
  /** Sends and waits until it is confirmed. The first signer pays. @throws K2TransactionError, a settlement refusal, K2UnreachableError */
  send(instructions: TransactionInstruction[], signers: TransactionSigner[]): Promise<Sent>
  /** Asks a local K2 or a test network for money. */
  airdrop(address: string, roe: bigint): Promise<void>
  /** Ends its subscriptions; requests still work. */
  close(): void
}

/** A confirmation takes a slot or two; past this the blockhash is near its end and a new try is due. */
const CONFIRM_TIMEOUT_MS = 30_000

export function createK2Client({
  url,
  programId = PROGRAM_ID,
  timeoutMs
}: {
  url: string
  programId?: string
  timeoutMs?: number
}): K2Client {
  const connection = connect({ url, ...(timeoutMs == null ? {} : { timeoutMs }) })
  const program = publicKey(programId, 'the settlement program', '--program')

  /** An endpoint that has not reached `minSlot` is asked again until it has: it would answer with older state. */
  const reaching = async <T>(minSlot: number | undefined, request: () => Promise<T>): Promise<T> => {
    if (minSlot == null) {
      return ask(url, request)
    }
    return pRetry(() => ask(url, request), {
      retries: 20,
      minTimeout: 50,
      maxTimeout: 1000,
      shouldRetry: ({ error }) => /minimum context slot|MinContextSlot/i.test(messageOf(error))
    })
  }
  const at = (minSlot: number | undefined) => ({
    commitment: 'confirmed' as const,
    ...(minSlot == null ? {} : { minContextSlot: minSlot })
  })

  return {
    url,
    programId,
    connection,
    genesisHash: () => ask(url, () => connection.getGenesisHash()),
    async task(id, minSlot) {
      const key = publicKey(id, 'a task', 'koii-mesh task list')
      const info = await reaching(minSlot, () => connection.getAccountInfo(key, at(minSlot)))
      if (info == null) {
        throw new K2AccountError(
          `there is no task ${id} on K2 at ${url}: check the id and the URL, or list the tasks with: koii-mesh task list --k2 ${url}`
        )
      }
      if (!info.owner.equals(program)) {
        throw new K2AccountError(
          `${id} is not a task of the settlement program ${programId} (it belongs to ${info.owner.toBase58()}): check the id, or give the program with --program`
        )
      }
      return decodeTask(id, info.data)
    },
    async tasks() {
      const found = await ask(url, () => connection.getProgramAccounts(program, { filters: taskFilters() }))
      return found.flatMap(({ pubkey, account }) => decoded(() => decodeTask(pubkey.toBase58(), account.data)))
    },
    async stakes(task, minSlot) {
      publicKey(task, 'a task', 'koii-mesh task list')
      const found = await reaching(minSlot, () =>
        connection.getProgramAccounts(program, { filters: stakeFilters({ task }), ...at(minSlot) })
      )
      return found.flatMap(({ pubkey, account }) => decoded(() => decodeStake(pubkey.toBase58(), account.data)))
    },
    async stake(task, staker) {
      publicKey(task, 'a task', 'koii-mesh task list')
      publicKey(staker, 'a staker', 'koii-mesh task show')
      const address = stakeAddress({ task, staker, programId })
      const info = await ask(url, () => connection.getAccountInfo(new PublicKey(address)))
      return info == null || !info.owner.equals(program) ? undefined : decodeStake(address, info.data)
    },
    balance: async (address) => BigInt(await ask(url, () => connection.getBalance(new PublicKey(address)))),
    rentExemption: (bytes) => ask(url, () => connection.getMinimumBalanceForRentExemption(bytes)),
    async send(instructions, signers) {
      const { blockhash, lastValidBlockHeight } = await ask(url, () => connection.getLatestBlockhash())
      const transaction = new Transaction({ feePayer: new PublicKey(signers[0]!.address), blockhash, lastValidBlockHeight }).add(
        ...instructions
      )
      const message = transaction.serializeMessage()
      for (const signer of signers) {
        transaction.addSignature(new PublicKey(signer.address), Buffer.from(await signer.sign(message)))
      }
      const wire = transaction.serialize()
      let signature: string
      try {
        signature = await ask(url, () => connection.sendRawTransaction(wire))
      } catch (err) {
        throw explain(err, programId)
      }
      await confirm(connection, url, signature, programId)
      return { signature, bytes: wire.length }
    },
    async airdrop(address, roe) {
      const signature = await ask(url, () => connection.requestAirdrop(new PublicKey(address), Number(roe)))
      await confirm(connection, url, signature, programId)
    },
    close: () => disconnect(connection)
  }
}

/** Polls the status: the subscription's answer can be lost, and a lost answer must not cost a vote. */
async function confirm(connection: Connection, url: string, signature: string, programId: string): Promise<void> {
  const deadline = performance.now() + CONFIRM_TIMEOUT_MS
  for (let waitMs = 25; performance.now() < deadline; waitMs = Math.min(waitMs * 1.5, 400)) {
    const { value } = await ask(url, () => connection.getSignatureStatus(signature))
    if (value?.err != null) {
      throw explain(Object.assign(new Error(JSON.stringify(value.err)), { err: value.err }), programId, value.err)
    }
    if (value?.confirmationStatus === 'confirmed' || value?.confirmationStatus === 'finalized') {
      return
    }
    await new Promise((resolve) => setTimeout(resolve, waitMs))
  }
  throw new K2TransactionError(
    `K2 at ${url} has not confirmed ${signature} within ${CONFIRM_TIMEOUT_MS / 1000} s: it may still land; look at it before sending again`
  )
}

function explain(err: unknown, programId: string, detail: unknown = err): Error {
  const refused = settlementError(detail, programId)
  if (refused != null) {
    return refused
  }
  const message = messageOf(err)
  if (/insufficient (funds|lamports)|debit an account but found no record|InsufficientFundsForFee/i.test(message)) {
    return new K2TransactionError(`not enough KOII to pay for the transaction (${message.split('\n')[0]}): fund the paying account first`, {
      cause: err
    })
  }
  return err instanceof Error && err.name.startsWith('K2')
    ? err
    : new K2TransactionError(`K2 refused the transaction: ${message}`, { cause: err })
}

function publicKey(text: string, what: string, hint: string): PublicKey {
  try {
    return new PublicKey(text)
  } catch {
    throw new K2ArgumentError(`"${text}" is not the address of ${what}, which is 32 bytes in base58: see ${hint}`)
  }
}

function decoded<T>(decode: () => T): T[] {
  try {
    return [decode()]
  } catch {
    return []
  }
}
