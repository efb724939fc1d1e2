import { createHash } from 'node:crypto'
import { type AccountInfo, type Commitment, type Connection, PublicKey, Transaction, type TransactionInstruction } from '@solana/web3.js'
import bs58 from 'bs58'
import { pino } from 'pino'
import { type KeyPair, signEd25519 } from '../identity/index.ts'
import type { Logger } from '../observe/index.ts'
import type { EndpointLimits, EndpointStatus } from './endpoint.ts'
import { K2AccountError, K2ArgumentError, K2ContradictionError, K2TransactionError, messageOf } from './errors.ts'
import { type Agreed, type Broadcast, createPool } from './pool.ts'
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
  /** The endpoints, as they are given with --k2. */
  url: string
  programId: string
  /** Requests go to the healthiest endpoint, and to the next ones where it fails. It has no subscriptions. */
  connection: Connection
  genesisHash(): Promise<string>
  /** @throws K2AccountError when there is no such task; K2ArgumentError, K2ContradictionError, K2UnreachableError */
  task(id: string, minSlot?: number): Promise<TaskAccount>
  tasks(): Promise<TaskAccount[]>
  /** The stakes in a task. What does not decode is left out: one odd account must not hide the others. */
  stakes(task: string, minSlot?: number): Promise<StakeAccount[]>
  stake(task: string, staker: string): Promise<StakeAccount | undefined>
  /** What a staker has voted for last, as most endpoints tell it. */
  lastVote(wanted: LastVoteInit): Promise<Agreed<StakeAccount['lastVote']>>
  balance(address: string): Promise<bigint>
  rentExemption(bytes: number): Promise<number>
  /** Sends and waits until it is confirmed. The first signer pays. @throws K2TransactionError, a settlement refusal, K2UnreachableError */
  send(instructions: TransactionInstruction[], signers: TransactionSigner[]): Promise<Sent>
  /** Signs without sending, on a blockhash that most endpoints know. The first signer pays. */
  prepare(instructions: TransactionInstruction[], signers: TransactionSigner[]): Promise<Prepared>
  /** Gives a signed transaction to all endpoints; refusals are named as those of `send`. */
  broadcast(wire: Uint8Array): Promise<Broadcast>
  /** Whether a transaction on this blockhash could still land, as most endpoints tell it. */
  blockhashValid(blockhash: string): Promise<boolean>
  /** What became of transactions: null where nothing is known. For telling, not for believing: one endpoint says so. */
  statuses(signatures: string[]): Promise<Array<{ slot: number; failed: boolean } | null>>
  /** Asks a local K2 or a test network for money. */
  airdrop(address: string, roe: bigint): Promise<void>
  /** Calls `listener` with the task when it has changed, until the returned function is called. */
  watchTask(task: string, listener: (task: TaskAccount) => void): () => void
  /** Each endpoint's own slot clock. */
  slotSources: readonly SlotSource[]
  endpoints(): EndpointStatus[]
  /** Ends its subscriptions; requests still work. */
  close(): void
}

export interface LastVoteInit {
  task: string
  staker: string
  commitment: 'confirmed' | 'finalized'
  minSlot?: number | undefined
}

/** A signed transaction and how long it can land. */
export interface Prepared {
  wire: Uint8Array
  signature: string
  blockhash: string
}

/** An endpoint, as the slot clock sees it. */
export interface SlotSource {
  name: string
  slot(): Promise<number>
  /** By subscription. Returns the function that ends it. */
  onSlot(listener: (slot: number) => void): () => void
  /** The subscription seems dead: dial again. */
  renew(reason: string): void
  /** It is not of this network. */
  dropped(): boolean
}

export interface K2ClientInit {
  /** One endpoint, or several of one network; a text may hold several, separated by commas. */
  url: string | readonly string[]
  programId?: string | undefined
  timeoutMs?: number | undefined
  limits?: EndpointLimits
  log?: Logger
  nowMs?: () => number
  random?: () => number
}

/** A confirmation takes a slot or two; past this the blockhash is near its end and a new try is due. */
const CONFIRM_TIMEOUT_MS = 30_000
/** How many blockhashes are looked at before it is said that the endpoints do not know each other's. */
const BLOCKHASH_TRIES = 4

/** @throws K2ArgumentError */
export function createK2Client({
  url: given,
  programId = PROGRAM_ID,
  timeoutMs,
  limits,
  log = pino({ level: 'silent' }),
  nowMs = () => performance.now(),
  random = Math.random
}: K2ClientInit): K2Client {
  const urls = [given].flat().flatMap((text) =>
    text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '')
  )
  const pool = createPool({ urls, limits: { ...limits, ...(timeoutMs == null ? {} : { timeoutMs }) }, log, nowMs, random })
  const url = urls.join(',')
  const several = urls.length > 1
  let disputes = 0
  const program = publicKey(programId, 'the settlement program', '--program')

  /** What an account holds, as most endpoints say; never from before what was read before. */
  const account = async <T>(
    key: PublicKey,
    read: (info: AccountInfo<Buffer> | null) => T,
    {
      digest,
      commitment = 'confirmed',
      minSlot = 0
    }: { digest: (value: T) => string; commitment?: Commitment; minSlot?: number | undefined }
  ): Promise<Agreed<T>> => {
    const from = Math.max(minSlot, pool.floor(commitment))
    const agreed = await pool.agree({
      request: async (connection) => {
        const { context, value } = await connection.getAccountInfoAndContext(key, { commitment, minContextSlot: from })
        return { slot: context.slot, value: read(value) }
      },
      digest,
      minSlot: from
    })
    pool.raise(commitment, agreed)
    return agreed
  }

  const client: K2Client = {
    url,
    programId,
    connection: routed(pool.endpoints[0]!.connection, pool.read),
    genesisHash: pool.genesisHash,
    async task(id, minSlot) {
      const key = publicKey(id, 'a task', 'koii-mesh task list')
      const read = (info: AccountInfo<Buffer> | null) => {
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
      }
      // the tally moves with every vote: two endpoints a moment apart would hardly ever show the same
      const digest = ({ tally: _tally, stakerCount: _count, claimedTotal: _claimed, slashedTotal: _slashed, ...lasting }: TaskAccount) =>
        toText(lasting)
      return (await account(key, read, { digest, minSlot })).value
    },
    async tasks() {
      const found = await pool.read((connection) => connection.getProgramAccounts(program, { filters: taskFilters() }))
      return found.flatMap(({ pubkey, account }) => decoded(() => decodeTask(pubkey.toBase58(), account.data)))
    },
    async stakes(task, minSlot = 0) {
      publicKey(task, 'a task', 'koii-mesh task list')
      const from = Math.max(minSlot, pool.floor('confirmed'))
      const agreed = await pool.agree({
        request: async (connection) => {
          const { context, value } = await connection.getProgramAccounts(program, {
            filters: stakeFilters({ task }),
            commitment: 'confirmed',
            minContextSlot: from,
            withContext: true
          })
          const accounts = value.flatMap((one) => decoded(() => decodeStake(one.pubkey.toBase58(), one.account.data)))
          return { slot: context.slot, value: accounts.sort((a, b) => (a.address < b.address ? -1 : 1)) }
        },
        // what says who may speak and with what weight; votes and claims move on from slot to slot
        digest: (accounts) =>
          sha256(
            toText(
              accounts.map(
                ({ lastVote: _vote, claimedReward: _claimed, appliedSlash: _slashed, slashedIn: _in, unlockSlot: _unlock, ...lasting }) =>
                  lasting
              )
            )
          ),
        minSlot: from
      })
      pool.raise('confirmed', agreed)
      return agreed.value
    },
    async stake(task, staker) {
      const { address, key } = stakeKey(task, staker)
      const read = (info: AccountInfo<Buffer> | null) =>
        info == null || !info.owner.equals(program) ? undefined : decodeStake(address, info.data)
      return (await account(key, read, { digest: toText })).value
    },
    async lastVote({ task, staker, commitment, minSlot }) {
      const { address, key } = stakeKey(task, staker)
      const read = (info: AccountInfo<Buffer> | null) =>
        info == null || !info.owner.equals(program) ? undefined : decodeStake(address, info.data).lastVote
      return account(key, read, { digest: toText, commitment, minSlot })
    },
    balance: async (address) => BigInt(await pool.read((connection) => connection.getBalance(new PublicKey(address)))),
    rentExemption: (bytes) => pool.read((connection) => connection.getMinimumBalanceForRentExemption(bytes)),
    async prepare(instructions, signers) {
      const { blockhash, lastValidBlockHeight } = await freshBlockhash()
      const transaction = new Transaction({ feePayer: new PublicKey(signers[0]!.address), blockhash, lastValidBlockHeight }).add(
        ...instructions
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
    async send(instructions, signers) {
      const { wire, signature } = await client.prepare(instructions, signers)
      const { accepted, refused } = await client.broadcast(wire)
      if (accepted.length === 0) {
        throw refused[0]!.error
      }
      await confirm(signature)
      return { signature, bytes: wire.length }
    },
    async airdrop(address, roe) {
      // asked of one alone: a second one would give a second time
      const signature = await pool.endpoints[0]!.ask((connection) => connection.requestAirdrop(new PublicKey(address), Number(roe)))
      await confirm(signature)
    },
    watchTask(task, listener) {
      publicKey(task, 'a task', 'koii-mesh task list')
      let reading = false
      let again = false
      let ended = false
      /** Of several endpoints, one that says that something changed is a reason to look, and not to believe it. */
      const look = async () => {
        if (reading) {
          again = true
          return
        }
        reading = true
        do {
          again = false
          try {
            const found = await client.task(task)
            if (!ended) {
              listener(found)
            }
          } catch (err) {
            log.debug({ reason: messageOf(err) }, 'K2 did not tell how the task stands')
          }
        } while (again && !ended)
        reading = false
      }
      const leaves = pool.endpoints.map(({ feed }) =>
        feed.on('accountSubscribe', [task, { encoding: 'base64', commitment: 'confirmed' }], (result) => {
          if (several) {
            look()
            return
          }
          const { owner, data } = (result as { value: { owner: string; data: [string] } }).value
          if (owner === programId) {
            listener(decodeTask(task, Buffer.from(data[0], 'base64')))
          }
        })
      )
      return () => {
        ended = true
        for (const leave of leaves) {
          leave()
        }
      }
    },
    slotSources: pool.endpoints.map((endpoint) => ({
      name: endpoint.name,
      async slot() {
        await pool.admit(endpoint)
        const slot = await endpoint.ask((connection) => connection.getSlot('processed'))
        endpoint.heard(slot)
        return slot
      },
      onSlot: (listener) =>
        endpoint.feed.on('slotSubscribe', [], (result) => {
          const { slot } = result as { slot: number }
          endpoint.heard(slot)
          listener(slot)
        }),
      renew: endpoint.feed.renew,
      dropped: () => endpoint.facts().dropped
    })),
    endpoints: pool.status,
    close: pool.close
  }
  return client

  function stakeKey(task: string, staker: string): { address: string; key: PublicKey } {
    publicKey(task, 'a task', 'koii-mesh task list')
    publicKey(staker, 'a staker', 'koii-mesh task show')
    const address = stakeAddress({ task, staker, programId })
    return { address, key: new PublicKey(address) }
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
        if (await client.blockhashValid(fresh.blockhash)) {
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

  /** Polls the status: the subscription's answer can be lost, and a lost answer must not cost a vote. */
  async function confirm(signature: string): Promise<void> {
    const deadline = performance.now() + CONFIRM_TIMEOUT_MS
    for (let waitMs = 25; performance.now() < deadline; waitMs = Math.min(waitMs * 1.5, 400)) {
      const { value } = await pool.agree({
        request: async (connection) => {
          const answer = await connection.getSignatureStatuses([signature])
          const status = answer.value[0]
          const done = status?.err != null || status?.confirmationStatus === 'confirmed' || status?.confirmationStatus === 'finalized'
          return { slot: answer.context.slot, value: { done, err: status?.err ?? null } }
        },
        digest: toText
      })
      if (value.err != null) {
        throw explain(Object.assign(new Error(JSON.stringify(value.err)), { err: value.err }), programId, value.err)
      }
      if (value.done) {
        return
      }
      await new Promise((resolve) => setTimeout(resolve, waitMs))
    }
    throw new K2TransactionError(
      `K2 at ${url} has not confirmed ${signature} within ${CONFIRM_TIMEOUT_MS / 1000} s: it may still land; look at it before sending again`
    )
  }
}

/** A connection whose every request goes where `read` sends it. */
function routed(first: Connection, read: <T>(request: (connection: Connection) => Promise<T>) => Promise<T>): Connection {
  return new Proxy(first, {
    get(target, name) {
      const member = Reflect.get(target, name) as unknown
      // requests begin with these words; the rest is about the connection itself
      return typeof member === 'function' && /^(get|is|send|request|simulate)/.test(String(name))
        ? (...args: unknown[]) =>
            read((connection) => (Reflect.get(connection, name) as (...args: unknown[]) => Promise<never>).apply(connection, args))
        : member
    }
  })
}

function toText(value: unknown): string {
  return (
    JSON.stringify(value, (_key, inner: unknown) =>
      typeof inner === 'bigint' ? `${inner}` : inner instanceof Uint8Array ? Buffer.from(inner).toString('hex') : inner
    ) ?? 'none'
  )
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function explain(err: unknown, programId: string, detail: unknown = err): Error {
  const refused = settlementError(detail, programId)
  if (refused != null) {
    return refused
  }
  const message = messageOf(err)
  if (/insufficient (funds|lamports)|debit an account but found no record|InsufficientFundsFor(Fee|Rent)|AccountNotFound/i.test(message)) {
    return new K2TransactionError(`not enough KOII to pay for the transaction (${message.split('\n')[0]}): fund the paying account first`, {
      cause: err,
      unpayable: true
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
