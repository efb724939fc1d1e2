import { PublicKey } from '@solana/web3.js'
import { pino } from 'pino'
import type { Logger } from '../observe/index.ts'
import { type AccountReads, createAccountReads, publicKey } from './accounts.ts'
import { type BlockReads, createBlockReads } from './blocks.ts'
import { exactAmount, type K2Connection } from './connection.ts'
import type { EndpointLimits, EndpointStatus } from './endpoint.ts'
import { messageOf } from './errors.ts'
import { createPool } from './pool.ts'
import { decodeTask, PROGRAM_ID, type TaskAccount } from './settlement/index.ts'
import { createTransactions, type Transactions } from './transactions.ts'

export interface K2Client extends AccountReads, BlockReads, Transactions {
  /** The endpoints, as they are given with --k2. */
  url: string
  programId: string
  /** Requests go to the healthiest endpoint, and to the next ones where it fails. It has no subscriptions. */
  connection: K2Connection
  genesisHash(): Promise<string>
  balance(address: string): Promise<bigint>
  rentExemption(bytes: number): Promise<number>
  /** Calls `listener` with the task when it has changed, until the returned function is called. */
  watchTask(task: string, listener: (task: TaskAccount) => void): () => void
  /** Each endpoint's own slot clock. */
  slotSources: readonly SlotSource[]
  endpoints(): EndpointStatus[]
  /** When the oldest request that is under way, or waits for its turn, was made: milliseconds of `nowMs`; Infinity when there is none. */
  oldestRequestMs(): number
  /** Ends its subscriptions; requests still work. */
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
  nowMs?: () => number
  random?: () => number
}

/** @throws K2ArgumentError */
export function createK2Client({
  url: given,
  programId = PROGRAM_ID,
  timeoutMs,
  limits,
  log = pino({ level: 'silent' }),
  onLeftOut = (address, reason) => log.warn({ account: address, reason }, 'left out an account of K2 that cannot be read'),
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
  const accounts = createAccountReads({ pool, programId, url, onLeftOut })

  const client: K2Client = {
    url,
    programId,
    connection: routed(pool.endpoints[0]!.connection, pool.read),
    genesisHash: pool.genesisHash,
    ...accounts,
    ...createBlockReads({ pool }),
    ...createTransactions({ pool, programId, url }),
    balance: (address) =>
      pool.read(async (connection) => {
        const answer = await connection.requestExact('getBalance', [new PublicKey(address).toBase58(), { commitment: 'confirmed' }])
        return exactAmount((answer as { value: unknown }).value, 'the balance')
      }),
    rentExemption: (bytes) => pool.read((connection) => connection.getMinimumBalanceForRentExemption(bytes)),
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
    oldestRequestMs: () => Math.min(...pool.endpoints.map((endpoint) => endpoint.oldestRequestMs())),
    close: pool.close
  }
  return client
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
