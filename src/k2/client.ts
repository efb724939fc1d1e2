import { PublicKey } from '@solana/web3.js'
import { pino } from 'pino'
import type { Logger } from '../observe/index.ts'
import { type AccountReads, createAccountReads } from './accounts.ts'
import { type BlockReads, createBlockReads } from './blocks.ts'
import { exactAmount, type K2Connection } from './connection.ts'
import type { Endpoint, EndpointLimits, EndpointStatus } from './endpoint.ts'
import { createEndpointPool, type EndpointPool } from './pool.ts'
import { PROGRAM_ID } from './settlement/index.ts'
import { followStory, type Story } from './slot-clock.ts'
import type { Doubt } from './task-reads.ts'
import { createTransactions, type Transactions } from './transactions.ts'
import { createWatches, type Watches } from './watches.ts'

export interface K2Client extends AccountReads, BlockReads, Transactions, Watches {
  /** The endpoints, as they are given with --k2. */
  url: string
  programId: string
  /** Requests go to the healthiest endpoint, and to the next ones where it fails. It has no subscriptions. */
  connection: K2Connection
  genesisHash(): Promise<string>
  /** What is wrong when all endpoints that answer are of another network than the one this process began with. */
  otherNetwork(): Promise<string | undefined>
  /** Calls `listener` once when `otherNetwork` has something to tell, which is asked at each doubt, until the returned function is called. */
  watchNetwork(listener: (reason: string) => void): () => void
  /** Something may have put another chain in the place of the one that this process began with: those who watch for it look. */
  doubtNetwork(): void
  balance(address: string): Promise<bigint>
  rentExemption(bytes: number): Promise<number>
  /** Each endpoint's own slot clock. */
  slotSources: readonly SlotSource[]
  endpoints(): EndpointStatus[]
  /** When the oldest request that is under way, or waits for its turn, was made: milliseconds of `nowMs`; Infinity when there is none. */
  oldestRequestMs(): number
  /** The machine is in another network: whatever is under way is asked for again, over new connections. */
  renew(reason: string): void
  /** Ends its subscriptions and its requests: what is under way fails at once, and nothing is asked any more. */
  close(): void
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
  /** Told once of each account that cannot be read and is left out of a list; without it the log is. */
  onLeftOut?: (address: string, reason: string) => void
  /** Told when a list contradicts what witnesses it, and when none does any more; the log is told in any case. */
  onDoubt?: (doubt: Doubt) => void
  /** The most, in ROE, that a transaction which does not land may bid on top of its signatures; default: nothing. */
  maxFeeRoe?: bigint
  /** Told once of each question that takes some seconds, and why. */
  onWait?: (reason: string) => void
  nowMs?: () => number
  random?: () => number
}

/** Of the slots that are asked for since none is told, one in so many is a doubt whether the chain is still the same. */
const DOUBTED_OF_ASKED = 5

/** @throws K2ArgumentError */
export function createK2Client({
  url: given,
  programId = PROGRAM_ID,
  timeoutMs,
  limits,
  log = pino({ level: 'silent' }),
  onLeftOut = (address, reason) => log.warn({ account: address, reason }, 'left out an account of K2 that cannot be read'),
  onDoubt = () => {},
  onWait,
  maxFeeRoe = 0n,
  nowMs = () => performance.now(),
  random = Math.random
}: K2ClientInit): K2Client {
  const urls = [given].flat().flatMap((text) =>
    text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '')
  )
  const pool = createEndpointPool({ urls, limits: { ...limits, ...(timeoutMs == null ? {} : { timeoutMs }) }, log, nowMs, random, onWait })
  const url = urls.join(',')
  const accounts = createAccountReads({ pool, programId, url, log, onLeftOut, onDoubt })

  return {
    url,
    programId,
    connection: routed(pool.endpoints[0]!.connection, pool.read),
    genesisHash: pool.genesisHash,
    otherNetwork: pool.otherNetwork,
    watchNetwork: pool.watchNetwork,
    doubtNetwork: pool.doubtNetwork,
    ...accounts,
    ...createBlockReads({ pool }),
    ...createTransactions({ pool, programId, url, maxFeeRoe, confirmMs: limits?.confirmMs }),
    balance: (address) =>
      pool.read(async (connection) => {
        const answer = await connection.requestExact('getBalance', [new PublicKey(address).toBase58(), { commitment: 'confirmed' }])
        return exactAmount((answer as { value: unknown }).value, 'the balance')
      }),
    rentExemption: (bytes) => pool.read((connection) => connection.getMinimumBalanceForRentExemption(bytes)),
    ...createWatches({ pool, programId, log, task: accounts.task }),
    slotSources: pool.endpoints.map((endpoint) => slotSourceOf(endpoint, pool, nowMs)),
    endpoints: pool.status,
    oldestRequestMs: () => Math.min(...pool.endpoints.map((endpoint) => endpoint.oldestRequestMs())),
    renew: (reason) => {
      for (const endpoint of pool.endpoints) {
        endpoint.renew(reason)
      }
    },
    close: pool.close
  }
}

function slotSourceOf(endpoint: Endpoint, pool: Pick<EndpointPool, 'admit' | 'doubtNetwork'>, nowMs: () => number): SlotSource {
  let story: Story | undefined
  let asked = 0
  const hear = (slot: number, bySubscription: boolean) => {
    endpoint.heard(slot, bySubscription)
    const former = story
    story = followStory(former, slot, nowMs())
    if (former != null && story.rises === 0 && story !== former) {
      pool.doubtNetwork()
    }
    return slot
  }
  return {
    name: endpoint.name,
    async slot() {
      await pool.admit(endpoint)
      // what has no subscription has no connection that would break when another chain comes to the same slot
      if (++asked % DOUBTED_OF_ASKED === 0) {
        pool.doubtNetwork()
      }
      return hear(await endpoint.ask((connection) => connection.getSlot('processed')), false)
    },
    onSlot: (listener) => endpoint.feed.on('slotSubscribe', [], listener, (result) => hear((result as { slot: number }).slot, true)),
    renew: (reason) => endpoint.feed.renew(reason, 'slotSubscribe'),
    dropped: () => endpoint.facts().dropped
  }
}

/** A connection whose every request goes where `read` sends it. */
function routed(first: K2Connection, read: <T>(request: (connection: K2Connection) => Promise<T>) => Promise<T>): K2Connection {
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
