import { z } from 'zod'
import { stringifyJson } from '../../k2/json.ts'
import type { Block, TransactionRecord } from '../block.ts'
import type { Commitment, Ledger } from '../ledger.ts'
import { MOVING_SYSVARS } from '../slot-in-progress.ts'
import type { AccountState } from '../vm.ts'
import { accountMatcher, type ParseTools, viewAccount } from './account-view.ts'
import { blockConfig, viewBlock } from './block-view.ts'
import { refuseProcessed } from './chain-methods.ts'
import { parseTools, withContext } from './context.ts'
import { checkParams, methodNotFound } from './dispatch.ts'
import { INTERNAL_ERROR, invalidParams, RpcError } from './errors.ts'
import * as p from './params.ts'

/** How many subscriptions one connection may hold: a wallet has a handful, and each costs work in every slot. */
const MAX_SUBSCRIPTIONS = 1000

/** Sends a text to the client of a connection. */
export type Send = (text: string) => void

interface Subscription {
  id: number
  /** The method without "Subscribe": its notifications and its unsubscription are named by it. */
  kind: Kind
  client: Client
  commitment: Commitment
  /** Set for those that are told of a transaction when it comes, whatever their commitment. */
  onReceived?: (record: TransactionRecord) => void
  /** Set for the kinds that are told of transactions. */
  onTransaction?: (record: TransactionRecord) => void
  /** Set for the kinds that are told of accounts; `key` is one that changed. */
  onAccount?: (name: string, state: AccountState | undefined, slot: number) => void
  /** Set for the kinds that are told of slots. */
  onSlot?: (info: { slot: number; parent: number; root: number }) => void
  /** Set for the kinds that are told of whole blocks. */
  onBlock?: (block: Block, records: readonly TransactionRecord[]) => void
}

const view = z.object(p.commitment).nullish().optional()
const logsFilter = z.union([z.enum(['all', 'allWithVotes']), z.object({ mentions: z.array(p.pubkey).length(1) })])
const programConfig = z
  .object({ ...p.commitment, encoding: p.accountEncoding, dataSlice: p.dataSlice, filters: p.accountFilters })
  .nullish()
  .optional()

const blockFilter = z.union([z.literal('all'), z.object({ mentionsAccountOrProgram: p.pubkey })])
const blockSubscription = z
  .object({ ...blockConfig.unwrap().unwrap().omit({ rewards: true }).shape, showRewards: z.boolean().nullish() })
  .nullish()

/** Each kind says what it takes, and how a subscription to it is told. */
const kinds = {
  slot: kind(z.tuple([]), ({ notify }) => ({ onSlot: (info) => notify(info) })),
  root: kind(z.tuple([]), ({ notify }) => ({ onSlot: ({ root }) => notify(root) })),
  slotsUpdates: kind(z.tuple([]), ({ notify, nowMs }) => {
    const tell = (type: string, slot: number, more = {}) => notify({ type, slot, timestamp: nowMs(), ...more })
    return {
      onBlock: ({ slot, transactions }, records) => {
        const numFailedTransactions = records.filter(({ meta }) => meta.err !== null).length
        // a block here is one entry of all its transactions
        const stats = {
          numTransactionEntries: transactions === 0 ? 0 : 1,
          numSuccessfulTransactions: transactions - numFailedTransactions,
          numFailedTransactions,
          maxTransactionsPerEntry: transactions
        }
        tell('completed', slot)
        tell('frozen', slot, { stats })
        tell('optimisticConfirmation', slot)
        tell('root', slot)
      },
      onSlot: ({ slot, parent }) => tell('createdBank', slot, { parent })
    }
  }),
  block: kind(z.tuple([blockFilter, blockSubscription.optional()]), ({ notify }, [filter, config]) => {
    refuseProcessed(config)
    const mentioned = filter === 'all' ? undefined : filter.mentionsAccountOrProgram.text
    // unlike getBlock, base64 and no rewards unless they are asked for
    const options = { ...config, encoding: config?.encoding ?? ('base64' as const), rewards: config?.showRewards === true }
    return {
      onBlock: (block, all) => {
        const records = mentioned === undefined ? all : all.filter(({ keys }) => keys.includes(mentioned))
        if (mentioned !== undefined && records.length === 0) {
          return
        }
        let err: unknown = null
        let view: object | null = null
        try {
          view = viewBlock(block, records, options)
        } catch (failed) {
          if (!(failed instanceof RpcError)) {
            throw failed
          }
          err = { UnsupportedTransactionVersion: 0 }
        }
        notify(withContext(block.slot, { slot: block.slot, err, block: view }))
      }
    }
  }),
  signature: kind(
    z.tuple([
      p.signature,
      z
        .object({ ...p.commitment, enableReceivedNotification: z.boolean().nullish() })
        .nullish()
        .optional()
    ]),
    ({ notify, end, ledger, later, commitment }, [{ text, bytes }, config]) => {
      const tell = (slot: number, err: unknown) => {
        notify(withContext(slot, { err }))
        end()
      }
      const status = ledger.status(bytes, text)
      if (status !== undefined && config?.enableReceivedNotification === true) {
        later(() => notify(withContext(status.slot, 'receivedSignature')))
      }
      if (status !== undefined && (status.completed || commitment === 'processed')) {
        later(() => tell(status.slot, status.err))
      }
      return {
        ...(config?.enableReceivedNotification === true && {
          onReceived: (record: TransactionRecord) => {
            if (record.wire.signature === text) {
              notify(withContext(record.slot, 'receivedSignature'))
            }
          }
        }),
        onTransaction: (record) => {
          if (record.wire.signature === text) {
            tell(record.slot, record.meta.err)
          }
        }
      }
    }
  ),
  logs: kind(z.tuple([logsFilter, view]), ({ notify }, [filter]) => {
    const mentioned = typeof filter === 'string' ? undefined : filter.mentions[0]!.text
    return {
      onTransaction: ({ wire, meta, keys, slot }) => {
        if (mentioned === undefined || keys.includes(mentioned)) {
          notify(withContext(slot, { signature: wire.signature, err: meta.err, logs: meta.logMessages }))
        }
      }
    }
  }),
  account: kind(
    z.tuple([
      p.pubkey,
      z
        .object({ ...p.commitment, encoding: p.accountEncoding, dataSlice: p.dataSlice })
        .nullish()
        .optional()
    ]),
    ({ notify, ledger, commitment }, [{ text }, config]) => ({
      onAccount: (name, state, slot) => {
        if (name === text) {
          notify(withContext(slot, viewTold(state ?? CLOSED, config, parseTools(ledger, name, commitment))))
        }
      }
    })
  ),
  program: kind(z.tuple([p.pubkey, programConfig]), ({ notify, ledger, commitment }, [{ bytes }, config]) => {
    const matches = accountMatcher(config?.filters)
    return {
      onAccount: (name, state, slot) => {
        if (state !== undefined && Buffer.compare(state.owner, bytes) === 0 && matches(state)) {
          const account = viewTold(state, config, parseTools(ledger, name, commitment))
          notify(withContext(slot, { pubkey: name, account }))
        }
      }
    }
  })
}

type Kind = keyof typeof kinds

/** An account that is no more, as Solana's nodes tell it. */
const CLOSED: AccountState = { lamports: 0n, owner: new Uint8Array(32), data: new Uint8Array(), executable: false, rentEpoch: 0n }

/** An account as a subscriber is told of it: where there is nobody to refuse, words stand for data that is too long for base58. */
function viewTold(state: AccountState, config: Parameters<typeof viewAccount>[1], tools: ParseTools) {
  try {
    return viewAccount(state, config, tools)
  } catch (err) {
    if (!(err instanceof RpcError)) {
      throw err
    }
    const words = 'error: data too large for bs58 encoding'
    const data = config?.encoding === 'base58' ? [words, 'base58'] : words
    return { ...viewAccount({ ...state, data: new Uint8Array() }, config, tools), data, space: state.data.length }
  }
}

interface KindTools {
  ledger: Ledger
  nowMs: () => number
  commitment: Commitment
  /** Tells the subscriber. */
  notify: (result: unknown) => void
  /** Does it after the subscriber knows the subscription's number. */
  later: (work: () => void) => void
  /** Ends the subscription. */
  end: () => void
}

type Told = Pick<Subscription, 'onReceived' | 'onTransaction' | 'onAccount' | 'onSlot' | 'onBlock'>

function kind<P extends z.ZodType<unknown[]>>(params: P, open: (tools: KindTools, params: z.output<P>) => Told) {
  return { params, open: open as (tools: KindTools, params: unknown[]) => Told }
}

/** The subscriptions of all connections, and their feeding from the ledger. */
export class Subscriptions {
  readonly #ledger: Ledger
  readonly #nowMs: () => number
  readonly #all = new Map<number, Subscription>()
  /** The block's transactions, told to those who wait for it to be complete. */
  #pending: TransactionRecord[] = []
  #nextId = 0

  constructor(ledger: Ledger, nowMs: () => number) {
    this.#ledger = ledger
    this.#nowMs = nowMs
    ledger.events.on('transaction', (record, changed) => {
      this.#pending.push(record)
      for (const { onReceived } of this.#all.values()) {
        onReceived?.(record)
      }
      this.#tell('processed', [record], changed, record.slot)
    })
    ledger.events.on('block', (block, changed) => {
      const records = this.#pending
      this.#pending = []
      this.#tell('completed', records, [...changed, ...MOVING_SYSVARS], block.slot)
      for (const { onBlock } of this.#all.values()) {
        onBlock?.(block, records)
      }
    })
    ledger.events.on('slot', (info) => {
      for (const subscription of this.#all.values()) {
        subscription.onSlot?.(info)
      }
      this.#tell('processed', [], MOVING_SYSVARS, info.slot)
    })
  }

  /** How many there are, over all connections. */
  get size(): number {
    return this.#all.size
  }

  /** A new connection's. */
  client(send: Send): RpcClient {
    return new Client(this, send)
  }

  /** @throws RpcError */
  subscribe(client: Client, name: Kind, params: unknown[]): number {
    if (client.ids.size >= MAX_SUBSCRIPTIONS) {
      throw new RpcError(INTERNAL_ERROR, `Internal Error: Subscription refused. This connection holds ${MAX_SUBSCRIPTIONS} already`)
    }
    const { params: schema, open } = kinds[name]
    const checked = checkParams(schema, params) as unknown[]
    const commitment = (checked[1] as { commitment?: Commitment | null } | null | undefined)?.commitment ?? 'finalized'
    const id = this.#nextId++
    const live = () => this.#all.has(id)
    const told = open(
      {
        ledger: this.#ledger,
        nowMs: this.#nowMs,
        commitment,
        notify: (result) => {
          if (live()) {
            client.send(stringifyJson({ jsonrpc: '2.0', method: `${name}Notification`, params: { result, subscription: id } }))
          }
        },
        later: (work) => queueMicrotask(() => live() && work()),
        end: () => this.#end(id)
      },
      checked
    )
    this.#all.set(id, { id, kind: name, client, commitment, ...told })
    client.ids.add(id)
    return id
  }

  /** @throws RpcError when `id` is not a subscription of this kind and connection */
  unsubscribe(client: Client, name: Kind, params: unknown[]): boolean {
    const [id] = checkParams(z.tuple([p.u64]), params)
    if (typeof id === 'bigint' || !client.ids.has(id) || this.#all.get(id)?.kind !== name) {
      throw invalidParams('Invalid subscription id.')
    }
    this.#end(id)
    return true
  }

  close(client: Client): void {
    for (const id of client.ids) {
      this.#all.delete(id)
    }
    client.ids.clear()
  }

  #end(id: number): void {
    this.#all.get(id)?.client.ids.delete(id)
    this.#all.delete(id)
  }

  /** Tells those who wait for what runs, or for what is complete. */
  #tell(stage: 'processed' | 'completed', records: readonly TransactionRecord[], changed: readonly string[], slot: number): void {
    const told = [...this.#all.values()].filter(({ commitment }) => (commitment === 'processed') === (stage === 'processed'))
    for (const { onTransaction } of told) {
      if (onTransaction !== undefined) {
        records.forEach(onTransaction)
      }
    }
    const watching = told.filter(({ onAccount }) => onAccount !== undefined)
    if (watching.length === 0) {
      return
    }
    for (const name of changed) {
      // when a block is told the next slot has begun; confirmed is what the block left
      const state = this.#ledger.accountByName(name, stage === 'processed' ? 'processed' : 'confirmed')
      for (const { onAccount } of watching) {
        onAccount!(name, state, slot)
      }
    }
  }
}

/** What a connection may ask for, and how it is told. */
export interface RpcClient {
  send: Send
  /** Answers one of the connection's requests. @throws RpcError */
  handle(method: string, params: unknown[]): unknown
  close(): void
}

/** One connection's side of the subscriptions. */
export class Client implements RpcClient {
  readonly send: Send
  readonly ids = new Set<number>()
  readonly #subscriptions: Subscriptions

  constructor(subscriptions: Subscriptions, send: Send) {
    this.#subscriptions = subscriptions
    this.send = send
  }

  /** Answers one of the connection's requests. @throws RpcError */
  handle(method: string, params: unknown[]): unknown {
    const [, name, verb] = method.match(/^(\w+?)(Subscribe|Unsubscribe)$/) ?? []
    if (name === undefined || !Object.hasOwn(kinds, name)) {
      throw methodNotFound()
    }
    return verb === 'Subscribe'
      ? this.#subscriptions.subscribe(this, name as Kind, params)
      : this.#subscriptions.unsubscribe(this, name as Kind, params)
  }

  close(): void {
    this.#subscriptions.close(this)
  }
}
