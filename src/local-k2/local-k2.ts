import { randomBytes } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { decodeBase58, encodeBase58 } from './base58.ts'
import type { TransactionRecord } from './block.ts'
import { type Count, Counters, type Counts } from './counters.ts'
import { FundingError, StoppedError } from './errors.ts'
import { Faucet } from './faucet.ts'
import { LAMPORTS_PER_SIGNATURE } from './fees.ts'
import { type Genesis, openChain } from './genesis.ts'
import { History, MIN_KEEP_BLOCKS } from './history.ts'
import { Ledger } from './ledger.ts'
import { type LocalK2Log, silentLog } from './log.ts'
import { type HeldUp, type Pace, type PaceFacts, Pacer, type PassedOver } from './pacer.ts'
import { PriorityFees } from './priority-fees.ts'
import type { RpcContext } from './rpc/context.ts'
import { checkParams, methodNotFound } from './rpc/dispatch.ts'
import { type MethodName, methods } from './rpc/methods.ts'
import { withPace } from './rpc/pace.ts'
import { Subscriptions } from './rpc/subscriptions.ts'
import { RpcServer } from './server.ts'
import { SlotCloser } from './slot-closer.ts'
import { type LocalK2Clock, SlotTicker, systemClock } from './slot-ticker.ts'
import { decodeTransaction } from './transaction.ts'
import type { TransactionError } from './transaction-error.ts'
import { Vm } from './vm.ts'

/** How a local K2 is made. */
export interface LocalK2Init {
  /** Length of a slot in milliseconds; default 400. */
  slotMs?: number
  /** Default `strict`: a slot takes `slotMs`. With `auto` it takes longer where those who follow the slots need it. */
  pace?: Pace
  /** Address to listen on; default 127.0.0.1. */
  host?: string
  /** HTTP port; WebSocket is on the next one, and on this one too. 0 takes a free pair; default 8899. */
  port?: number
  /** Folder that the chain is kept in. Without one it lives in memory and ends with the process. */
  dataDir?: string
  genesis?: Genesis
  /** How many blocks are kept, at least 300; default 50,000, five and a half hours of 400 ms. */
  keepSlots?: number
  /** How many transactions are kept; older blocks go sooner when there are more. About 1 KiB each; default 50,000. */
  keepTransactions?: number
  clock?: LocalK2Clock
  /** Random bytes, for the keys of a new chain. */
  random?: (length: number) => Uint8Array
  log?: LocalK2Log
}

/** A transaction as watchers of the chain see it, at the moment when it ran. */
export interface LocalTransaction {
  slot: number
  signature: string
  /** Its size on the wire. */
  bytes: number
  err: TransactionError | null
  /** Burned, in lamports. */
  fee: bigint
  /** The instructions of the transaction itself, not those that programs called. */
  instructions: Array<{ programId: string; data: Uint8Array; accounts: string[] }>
  feePayer: string
}

export interface LocalK2Events {
  /** A transaction ran into the slot in progress, with or without success. */
  transaction: [transaction: LocalTransaction]
  /** A slot began. */
  slot: [slot: number]
  /** Somebody who follows the slots does not say that it is done with one, and they no longer wait for it. */
  passedOver: [passed: PassedOver]
}

/** A chain of one validator in this process: the Solana VM, with slots, blocks, a history, and the JSON-RPC of a Solana node. */
export class LocalK2 {
  readonly events = new EventEmitter<LocalK2Events>()
  readonly #history: History
  readonly #ledger: Ledger
  readonly #ticker: Pick<SlotTicker, 'start' | 'stop' | 'hold' | 'release'>
  readonly #pacer: Pacer | undefined
  readonly #server: RpcServer
  readonly #subscriptions: Subscriptions
  readonly #counters = new Counters()
  readonly #host: string
  readonly #log: LocalK2Log
  readonly #context: RpcContext
  #state: 'new' | 'started' | 'stopped' = 'new'
  readonly #closer: SlotCloser
  readonly #faucet: Faucet

  constructor(init: LocalK2Init) {
    const clock = init.clock ?? systemClock()
    this.#log = init.log ?? silentLog()
    this.#host = init.host ?? '127.0.0.1'
    // blocks, transactions and accounts on disk; opening it takes the folder's lock
    this.#history = new History({
      dataDir: init.dataDir,
      keepBlocks: Math.max(MIN_KEEP_BLOCKS, init.keepSlots ?? 50_000),
      keepTransactions: init.keepTransactions ?? 50_000
    })
    try {
      // the VM, filled from the history or from the genesis
      const vm = new Vm()
      const chain = openChain({
        history: this.#history,
        vm,
        genesis: init.genesis ?? {},
        place: init.dataDir ?? 'memory',
        random: init.random ?? randomBytes,
        nowMs: clock.nowMs()
      })
      // the chain itself: runs transactions, closes slots
      this.#ledger = new Ledger({ vm, history: this.#history, nowMs: () => clock.nowMs() })
      this.#faucet = new Faucet({ ledger: this.#ledger, keys: chain.faucet })
      this.#closer = new SlotCloser({ ledger: this.#ledger, place: init.dataDir ?? 'memory', nowMs: () => clock.nowMs(), log: this.#log })
      // what the methods may touch
      this.#context = {
        ledger: this.#ledger,
        history: this.#history,
        chain,
        priorityFees: new PriorityFees(),
        listens: () => ({ rpc: this.#authority(this.#server.port), pubsub: this.#authority(this.#server.port + 1) }),
        healthy: () => this.#closer.trouble === undefined,
        trouble: () => this.#closer.trouble?.message,
        pace: init.pace ?? 'strict',
        submit: (wire, options) => {
          this.#closer.demandRoom()
          return this.#ledger.submit(wire, options)
        },
        airdrop: (to, lamports, blockhash) => {
          this.#closer.demandRoom()
          return this.#faucet.pay(to, lamports, blockhash).signature
        }
      }
    } catch (err) {
      this.#history.close()
      throw err
    }
    this.#ledger.events.on('transaction', (record) => this.#onTransaction(record))
    this.#ledger.events.on('block', ({ slot }) => this.#context.priorityFees.complete(slot))
    this.#ledger.events.on('slot', ({ slot }) => {
      // the last block is closed by stop, and no slot begins after it
      if (this.#state !== 'stopped') {
        this.#emit('slot', slot)
      }
    })
    // time: one call per slot
    const slotMs = init.slotMs ?? 400
    const tick = () => this.#closer.tick()
    this.#pacer =
      init.pace === 'auto'
        ? new Pacer({
            clock,
            slotMs,
            slot: () => this.slot(),
            tick,
            onPassedOver: (passed) => this.#onPassedOver(passed),
            onHeldUp: (held) => this.#onHeldUp(held)
          })
        : undefined
    this.#ticker = this.#pacer ?? new SlotTicker({ clock, slotMs, tick })
    // who wants to be told
    this.#subscriptions = new Subscriptions(this.#ledger, () => clock.nowMs())
    // the outside
    this.#server = new RpcServer({
      host: this.#host,
      port: init.port ?? 8899,
      handler: (name, params) => this.#call(name, params),
      subscriptions: this.#pacer === undefined ? this.#subscriptions : withPace(this.#subscriptions, this.#pacer),
      log: this.#log
    })
  }

  /**
   * Listens, and lets slots tick unless held. Where it fails, `stop` still lets go of the folder.
   *
   * @throws PortInUseError
   */
  async start(): Promise<void> {
    if (this.#state !== 'new') {
      throw new StoppedError()
    }
    await this.#server.listen()
    this.#state = 'started'
    this.#ticker.start()
    this.#log.info({ url: this.url, wsUrl: this.wsUrl, slot: this.slot() }, 'the local K2 is up')
  }

  /**
   * Closes the slot in progress into a block, so that nothing is lost, and ends everything.
   *
   * @throws NotStoredError when that block has transactions and cannot be stored: none of them was confirmed to anybody
   */
  async stop(): Promise<void> {
    if (this.#state === 'stopped') {
      return
    }
    this.#state = 'stopped'
    this.#ticker.stop()
    await this.#server.close()
    const waiting = this.#ledger.transactionCount('processed') - this.#ledger.transactionCount('confirmed')
    try {
      this.#closer.close()
    } catch (err) {
      // a block without transactions is no loss
      if (waiting > 0) {
        throw err
      }
    } finally {
      this.#history.close()
    }
  }

  /** For JSON-RPC; the port is known once started. */
  get url(): string {
    return `http://${this.#authority(this.#server.port)}`
  }

  /** For subscriptions. */
  get wsUrl(): string {
    return `ws://${this.#authority(this.#server.port + 1)}`
  }

  /** The slot in progress. */
  slot(): number {
    return this.#ledger.slot('processed')
  }

  /** Subscriptions over all connections. */
  get subscriptionCount(): number {
    return this.#subscriptions.size
  }

  /** base58 */
  get genesisHash(): string {
    return this.#context.chain.genesisHash
  }

  /** The address that pays airdrops. */
  get faucetAddress(): string {
    return this.#context.chain.faucet.address
  }

  /** Closes the slot in progress and goes on at `slot`; those between count as skipped. @throws RangeError when it is not ahead, NotStoredError */
  warpTo(slot: number): void {
    this.#running()
    this.#closer.close(slot)
    this.#pacer?.leapt()
  }

  /**
   * Brings each account to at least so many lamports, with transfers from the faucet in a block that is stored when this returns.
   * What has more keeps it.
   *
   * @throws NotStoredError, FundingError when the faucet has too little, or an account would have less than its rent: nothing is given to anybody
   */
  fund(accounts: ReadonlyArray<{ address: string; lamports: bigint }>): void {
    this.#running()
    const missing = accounts.flatMap(({ address, lamports }) => {
      const key = decodeBase58(address)
      const has = this.#ledger.account(key, 'processed')?.lamports ?? 0n
      return has >= lamports ? [] : [{ address, key, lamports, lacks: lamports - has }]
    })
    const rent = this.#ledger.rentExemptLamports(0)
    const tooLittle = missing.find(({ lamports }) => lamports < rent)
    if (tooLittle !== undefined) {
      throw new FundingError(
        `${tooLittle.address} cannot hold ${tooLittle.lamports} lamports: the least that an account may have is ${rent}`
      )
    }
    const faucet = this.#ledger.accountByName(this.faucetAddress, 'processed')?.lamports ?? 0n
    const wanted = missing.reduce((sum, { lacks }) => sum + lacks, 0n)
    // the faucet pays its fees, and keeps its rent
    if (wanted + BigInt(missing.length) * LAMPORTS_PER_SIGNATURE + rent > faucet) {
      throw new FundingError(`the faucet has ${faucet} lamports and is asked for ${wanted}: ask for less, or begin a new chain`)
    }
    for (const { address, key, lacks } of missing) {
      const { result } = this.#faucet.pay(key, lacks)
      if (!result.included || result.record.meta.err !== null) {
        const err = result.included ? result.record.meta.err : result.err
        throw new FundingError(`${address} cannot be given ${lacks} lamports: ${JSON.stringify(err)}`)
      }
    }
    if (missing.length > 0) {
      this.#closer.close()
    }
  }

  /** Stops the slots; transactions still run into the one in progress. May be called before start. */
  hold(): void {
    this.#ticker.hold()
  }

  /** Lets slots tick again after hold. */
  release(): void {
    this.#ticker.release()
  }

  /** With the pace `auto` slots wait for their followers, but for while they are told not to. */
  waitForFollowers(on: boolean): void {
    this.#pacer?.wait(on)
  }

  /** How long slots were; undefined where they wait for nobody. */
  pace(): PaceFacts | undefined {
    return this.#pacer?.facts()
  }

  /** The newest blockhash. */
  latestBlockhash(): string {
    return this.#ledger.latestBlockhash().blockhash
  }

  /**
   * Runs a signed transaction without preflight, as `sendTransaction` does with `skipPreflight`, and says what came of it.
   *
   * @throws MalformedTransactionError, NotStoredError while nothing can be stored
   */
  send(transaction: Uint8Array): { signature: string; included: boolean; err: TransactionError | null } {
    this.#running()
    if (this.#closer.trouble !== undefined) {
      throw this.#closer.trouble
    }
    const wire = decodeTransaction(transaction)
    const result = this.#ledger.submit(wire)
    return { signature: wire.signature, included: result.included, err: result.included ? result.record.meta.err : result.err }
  }

  /** What ran since the process started. */
  counters(): Counts {
    return this.#counters.counts()
  }

  /** The instructions of one program that ran since the process started, by the first byte of their data. */
  countersByKind(programId: string): Record<number, Count> {
    return this.#counters.byKind(programId)
  }

  #running(): void {
    if (this.#state === 'stopped') {
      throw new StoppedError()
    }
  }

  #authority(port: number): string {
    const host = this.#host === '0.0.0.0' ? '127.0.0.1' : this.#host === '::' ? '::1' : this.#host
    return `${host.includes(':') ? `[${host}]` : host}:${port}`
  }

  #call(name: string, params: unknown[]): unknown {
    if (!Object.hasOwn(methods, name)) {
      throw methodNotFound()
    }
    const { params: schema, call } = methods[name as MethodName]
    return call(this.#context, checkParams(schema, params) as never)
  }

  #onTransaction(record: TransactionRecord): void {
    this.#counters.add(record)
    this.#context.priorityFees.add(record)
    if (this.events.listenerCount('transaction') > 0) {
      const { wire, keys, meta, slot } = record
      this.#emit('transaction', {
        slot,
        signature: encodeBase58(wire.signatures[0]!),
        bytes: wire.bytes.length,
        err: meta.err,
        fee: BigInt(meta.fee),
        instructions: wire.instructions.map(({ program, data, accounts }) => ({
          programId: keys[program]!,
          data,
          accounts: accounts.map((account) => keys[account]!)
        })),
        feePayer: keys[0]!
      })
    }
  }

  #onPassedOver(passed: PassedOver): void {
    this.#log.warn(passed, 'a node does not say that it is done with the slot: slots no longer wait for it, until it says so again')
    this.#emit('passedOver', passed)
  }

  #onHeldUp(held: HeldUp): void {
    this.#log.warn(held, `slot ${held.slot} waits for ${held.followers.join(', ')}`)
  }

  #emit<E extends keyof LocalK2Events>(event: E, ...args: LocalK2Events[E]): void {
    try {
      ;(this.events.emit as (event: E, ...args: LocalK2Events[E]) => boolean).call(this.events, event, ...args)
    } catch (err) {
      // a watcher's fault must not stop the chain
      this.#log.error({ err, event }, 'a listener failed')
    }
  }
}
