/** The chain as it grows: what transactions do to the slot in progress, and what each commitment sees of it. */
import { EventEmitter } from 'node:events'
import { decodeBase58, encodeBase58 } from './base58.ts'
import type { Block, TransactionRecord } from './block.ts'
import { BLOCKHASH_LIFE_BLOCKS, BlockhashQueue } from './blockhash-queue.ts'
import { LAMPORTS_PER_SIGNATURE } from './fees.ts'
import type { History } from './history.ts'
import { deployedIn, type Loaded, runLoaded, takeFee, tryLoaded } from './loading.ts'
import { loadedAddresses } from './lookup-tables.ts'
import { durableNonce, nonceAccountOf, translateNonces, withNonce } from './nonces.ts'
import { beginSlot, blockOf, type SlotInProgress } from './slot-in-progress.ts'
import { mayHoldTokens, tokenBalances } from './token-state.ts'
import { isWritable, type WireTransaction } from './transaction.ts'
import type { TransactionError } from './transaction-error.ts'
import { type AccountState, type Execution, MAX_SLOT_HASHES, type Simulation, SLOTS_PER_EPOCH, UPGRADEABLE_LOADER, type Vm } from './vm.ts'

/**
 * How settled a view of the chain is. There is one validator and no fork here, so a block is final as soon as it is complete:
 * `processed` sees the slot in progress, `confirmed` and `finalized` both see the last completed one.
 */
export type Commitment = 'processed' | 'confirmed' | 'finalized'

export interface LedgerEvents {
  /** A transaction is in the slot in progress; `changed` are the addresses that it wrote. */
  transaction: [record: TransactionRecord, changed: readonly string[]]
  /** A block is complete and stored; `changed` are the addresses that its transactions wrote. */
  block: [block: Block, changed: readonly string[]]
  /** The next slot began. */
  slot: [info: { slot: number; parent: number; root: number }]
}

/** A transaction either is in the slot in progress now, with or without success, or was refused and left no trace. */
export type Submission = { included: true; record: TransactionRecord } | { included: false; err: TransactionError; logs: string[] }

/** What is known of a transaction. */
export interface Status {
  slot: number
  err: TransactionError | null
  /** Whether its block is complete. */
  completed: boolean
}

/**
 * The chain: runs transactions into the slot in progress, closes slots into blocks, and tells what each commitment sees.
 * Everything happens at once within a call, so a reader never sees half a transaction.
 */
export class Ledger {
  readonly events = new EventEmitter<LedgerEvents>()
  readonly #vm: Vm
  /** As it is now. */
  readonly #account = (key: Uint8Array) => this.#vm.account(key)
  readonly #history: History
  readonly #nowMs: () => number
  readonly #blockhashes = new BlockhashQueue()
  /** The last blocks, newest first, for the sysvar. */
  #slotHashes: Array<{ slot: number; blockhash: Uint8Array }> = []
  #epochStartS: number
  #current: SlotInProgress

  /** @param init.history with a chain in it, whose accounts are in `vm` */
  constructor(init: { vm: Vm; history: History; nowMs: () => number }) {
    this.#vm = init.vm
    this.#history = init.history
    this.#nowMs = init.nowMs
    // a slot's listeners are the subscriptions' rooms and the traffic, not one for each client
    this.events.setMaxListeners(50)
    const last = this.#history.lastBlocks(MAX_SLOT_HASHES)
    for (const block of last.toReversed()) {
      this.#blockhashes.push(block.blockhash, block.height)
    }
    this.#slotHashes = last.map(({ slot, blockhash }) => ({ slot, blockhash: decodeBase58(blockhash) }))
    const [tip] = last as [Block]
    this.#epochStartS = Number(this.#history.fact('epochStart') ?? tip.blockTimeS)
    // the sysvars as they were in the last block, before the next slot moves them on
    this.#vm.setClock({ slot: tip.slot, epochStartS: this.#epochStartS, unixTimeS: tip.blockTimeS })
    this.#vm.setSlotHashes(this.#slotHashes.slice(1))
    this.#setRecentBlockhashes(this.#slotHashes.slice(1))
    this.#current = this.#begin(tip.slot + 1, tip)
  }

  /** The slot that `commitment` sees. */
  slot(commitment: Commitment): number {
    return commitment === 'processed' ? this.#current.slot : this.#current.parent.slot
  }

  blockHeight(commitment: Commitment): number {
    return commitment === 'processed' ? this.#current.height : this.#current.parent.height
  }

  /** The last completed block. */
  get tip(): Block {
    return this.#current.parent
  }

  /** Transactions since genesis that `commitment` sees. */
  transactionCount(commitment: Commitment): number {
    return this.tip.totalTransactions + (commitment === 'processed' ? this.#current.transactions.length : 0)
  }

  /** Lamports in being. Fees are burnt: there is no validator to be paid. */
  supply(commitment: Commitment): bigint {
    return this.tip.supply - (commitment === 'processed' ? this.#current.burntLamports : 0n)
  }

  /** The newest blockhash and the last block height at which a transaction may use it. */
  latestBlockhash(): { blockhash: string; lastValidBlockHeight: number } {
    return { blockhash: this.tip.blockhash, lastValidBlockHeight: this.tip.height + BLOCKHASH_LIFE_BLOCKS }
  }

  /** Every blockhash that a transaction may be built on now, newest first. */
  livingBlockhashes(): string[] {
    return this.#blockhashes.living(this.blockHeight('processed'))
  }

  isBlockhashValid(blockhash: string, commitment: Commitment): boolean {
    return this.#blockhashes.has(blockhash, this.blockHeight(commitment))
  }

  rentExemptLamports(size: number): bigint {
    return this.#vm.rentExemptLamports(size)
  }

  accountByName(address: string, commitment: Commitment): AccountState | undefined {
    return this.account(decodeBase58(address), commitment, address)
  }

  account(key: Uint8Array, commitment: Commitment, name?: string): AccountState | undefined {
    if (commitment !== 'processed') {
      const before = this.#current.before.get(name ?? encodeBase58(key))
      if (before !== undefined) {
        return before.state
      }
    }
    return this.#vm.account(key)
  }

  programAccounts(owner: Uint8Array, commitment: Commitment): Array<{ key: Uint8Array; state: AccountState }> {
    const now = this.#vm.programAccounts(owner)
    const { before } = this.#current
    if (commitment === 'processed' || before.size === 0) {
      return now
    }
    const untouched = now.filter(({ key }) => !before.has(encodeBase58(key)))
    for (const { key, state } of before.values()) {
      if (state !== undefined && Buffer.compare(state.owner, owner) === 0) {
        untouched.push({ key, state })
      }
    }
    return untouched
  }

  /** Every account but those of the VM itself. */
  allAccounts(commitment: Commitment): Array<{ key: Uint8Array; state: AccountState }> {
    const now = this.#vm.allAccounts()
    const { before } = this.#current
    if (commitment === 'processed') {
      return now
    }
    const then = [...before.values()].filter(({ state }) => state !== undefined) as Array<{ key: Uint8Array; state: AccountState }>
    return [...now.filter(({ key }) => !before.has(encodeBase58(key))), ...then]
  }

  /** The position of the nonce account that a message lives by in a recent blockhash's place, or undefined. */
  nonceAccountOf(wire: Pick<WireTransaction, 'instructions' | 'keys' | 'blockhash' | 'requiredSignatures'>): number | undefined {
    return nonceAccountOf(wire, durableNonce(this.tip.blockhash), this.#account)
  }

  /** Why the chain would not run a transaction at all, or null. */
  refusal(wire: WireTransaction): TransactionError | null {
    if (!this.isBlockhashValid(wire.blockhash, 'processed') && this.nonceAccountOf(wire) === undefined) {
      return 'BlockhashNotFound'
    }
    if (this.status(wire.signatures[0]!, wire.signature) !== undefined) {
      return 'AlreadyProcessed'
    }
    return null
  }

  /** Runs a transaction into the slot in progress. With `verified`, its signatures have been checked already. */
  submit(wire: WireTransaction, { verified = false } = {}): Submission {
    const err = this.refusal(wire)
    if (err !== null) {
      return { included: false, err, logs: [] }
    }
    const livesByNonce = this.isBlockhashValid(wire.blockhash, 'processed') ? undefined : this.nonceAccountOf(wire)
    const loaded = loadedAddresses(wire, this.#account)
    const keyBytes = [...wire.keys, ...loaded.writable, ...loaded.readonly]
    const keys = keyBytes.map(encodeBase58)
    const balancesOfTokens = () => (mayHoldTokens(keys) ? tokenBalances(keyBytes, this.#account) : [])
    const mayWrite = (position: number) =>
      position < wire.keys.length ? isWritable(wire, position) : position < wire.keys.length + loaded.writable.length
    const writable = [...keyBytes.keys()].filter(mayWrite)
    for (const position of writable) {
      this.#remember(keys[position]!, keyBytes[position]!)
    }
    const preBalances = keyBytes.map((key) => this.#vm.balance(key))
    const preTokenBalances = balancesOfTokens()
    const nonces = this.#translateNonces(wire, keys, keyBytes)
    const execution = runLoaded(this.#vm, wire, { verifySignatures: !verified, deployed: this.#current.deployed })
    nonces?.settle()
    const postBalances = keyBytes.map((key) => this.#vm.balance(key))
    // the VM keeps lamports whole, so what went missing is the fee; without one, the transaction did not get as far as a block
    const fee = execution.feesOnly ? takeFee(this.#vm, wire, postBalances) : sum(preBalances) - sum(postBalances)
    if (execution.err !== null && fee === 0n) {
      return { included: false, err: execution.err, logs: execution.logs }
    }
    // a transaction that failed has changed nothing but its payer, and the nonce that it lives by, so that it cannot come again
    const changed = execution.err === null ? writable : [...new Set([0, livesByNonce ?? 0])]
    if (execution.err !== null && livesByNonce !== undefined) {
      const key = keyBytes[livesByNonce]!
      const state = this.#vm.account(key)
      if (state !== undefined) {
        this.#vm.setAccount(key, withNonce(state, durableNonce(this.tip.blockhash)))
      }
    }
    const record: TransactionRecord = {
      slot: this.#current.slot,
      index: this.#current.transactions.length,
      wire,
      keys,
      meta: {
        ...toMeta(execution),
        fee,
        preBalances,
        postBalances,
        preTokenBalances,
        postTokenBalances: balancesOfTokens(),
        loadedAddresses: { writable: loaded.writable.map(encodeBase58), readonly: loaded.readonly.map(encodeBase58) }
      }
    }
    for (const position of changed) {
      this.#current.changed.set(keys[position]!, keyBytes[position]!)
    }
    if (execution.err === null && keys.includes(UPGRADEABLE_LOADER)) {
      const written = writable.map((position) => keyBytes[position]!)
      for (const program of deployedIn(this.#current.slot, written, this.#account)) {
        this.#current.deployed.add(program)
      }
    }
    this.#current.burntLamports += fee
    this.#current.transactions.push(record)
    this.#current.bySignature.set(wire.signature, record)
    this.events.emit(
      'transaction',
      record,
      changed.map((position) => keys[position]!)
    )
    return { included: true, record }
  }

  /** Runs a transaction as if, on the slot in progress. With `anyBlockhash`, its blockhash is not looked at. */
  simulate(wire: WireTransaction, options: { verifySignatures: boolean; anyBlockhash: boolean }): Loaded<Simulation> {
    const refusal = options.anyBlockhash ? null : this.refusal(wire)
    if (refusal !== null) {
      // signatures are looked at before the blockhash
      const isForged = options.verifySignatures && this.#vm.simulate(wire.bytes, wire.version, true).err === 'SignatureFailure'
      const err = isForged ? 'SignatureFailure' : refusal
      return { err, logs: [], unitsConsumed: 0, innerInstructions: [], returnData: null, accountsAfter: () => new Map(), feesOnly: false }
    }
    const { writable, readonly } = loadedAddresses(wire, this.#account)
    const keyBytes = [...wire.keys, ...writable, ...readonly]
    const nonces = this.#translateNonces(wire, keyBytes.map(encodeBase58), keyBytes)
    try {
      const simulation = tryLoaded(this.#vm, wire, { ...options, deployed: this.#current.deployed })
      return nonces === undefined ? simulation : { ...simulation, accountsAfter: () => nonces.translated(simulation.accountsAfter()) }
    } finally {
      nonces?.undo()
    }
  }

  /** The first of the last `blocks` blocks, by its slot; 0 where there are fewer. A chain that leapt over slots forgets nothing by that. */
  firstOfLast(blocks: number): number {
    return this.#slotHashes[blocks - 1]?.slot ?? 0
  }

  status(signature: Uint8Array, name = encodeBase58(signature)): Status | undefined {
    const record = this.#current.bySignature.get(name)
    if (record !== undefined) {
      return { slot: record.slot, err: record.meta.err, completed: false }
    }
    const stored = this.#history.status(signature)
    return stored && { ...stored, completed: true }
  }

  /** All addresses that a transaction names, with those from lookup tables, as the tables are now. */
  addressesOf(wire: WireTransaction): string[] {
    const { writable, readonly } = loadedAddresses(wire, this.#account)
    return [...wire.keys, ...writable, ...readonly].map(encodeBase58)
  }

  /**
   * Closes the slot in progress into a block, stores it, and begins `nextSlot`; the slots between them count as skipped.
   *
   * @throws Error when the block cannot be stored (a full disk): the slot stays in progress and nothing is lost
   */
  completeSlot(nextSlot = this.#current.slot + 1): Block {
    const { slot, height, parent, transactions, changed } = this.#current
    if (!Number.isSafeInteger(nextSlot) || nextSlot <= slot) {
      throw new RangeError(`the next slot must be after ${slot}, and ${nextSlot} is not`)
    }
    const block = blockOf(this.#current)
    const accounts = [...changed.values()].map((key) => ({ key, state: this.#vm.account(key) }))
    const facts: Record<string, string> = epochOf(slot) === epochOf(parent.slot) ? {} : { epochStart: `${this.#epochStartS}` }
    this.#history.commit(block, transactions, accounts, facts)
    this.#blockhashes.push(block.blockhash, height)
    this.#slotHashes = [{ slot, blockhash: decodeBase58(block.blockhash) }, ...this.#slotHashes.slice(0, MAX_SLOT_HASHES - 1)]
    this.#current = this.#begin(nextSlot, block)
    this.events.emit('block', block, [...changed.keys()])
    this.events.emit('slot', { slot: nextSlot, parent: slot, root: slot })
    return block
  }

  #translateNonces(wire: WireTransaction, keys: readonly string[], keyBytes: readonly Uint8Array[]) {
    return translateNonces(this.#vm, { newestBlockhash: this.tip.blockhash, ownBlockhash: wire.blockhash, keys, keyBytes })
  }

  #begin(slot: number, parent: Block): SlotInProgress {
    const blockTimeS = Math.max(parent.blockTimeS, Math.floor(this.#nowMs() / 1000))
    if (epochOf(slot) !== epochOf(parent.slot)) {
      this.#epochStartS = blockTimeS
    }
    const begun = beginSlot({ slot, parent, blockTimeS }, this.#account)
    this.#vm.setClock({ slot, epochStartS: this.#epochStartS, unixTimeS: blockTimeS })
    this.#vm.setSlotHashes(this.#slotHashes)
    this.#setRecentBlockhashes(this.#slotHashes)
    return begun
  }

  #setRecentBlockhashes(blocks: ReadonlyArray<{ blockhash: Uint8Array }>): void {
    const newest = blocks.slice(0, BLOCKHASH_LIFE_BLOCKS).map(({ blockhash }) => blockhash)
    this.#vm.setRecentBlockhashes(newest, LAMPORTS_PER_SIGNATURE)
  }

  #remember(name: string, key: Uint8Array): void {
    if (!this.#current.before.has(name)) {
      this.#current.before.set(name, { key, state: this.#vm.account(key) })
    }
  }
}

function toMeta({ err, logs, unitsConsumed, innerInstructions, returnData }: Execution) {
  return { err, logMessages: logs, computeUnitsConsumed: unitsConsumed, innerInstructions, returnData }
}

function sum(values: readonly bigint[]): bigint {
  return values.reduce((total, value) => total + value, 0n)
}

function epochOf(slot: number): number {
  return Math.floor(slot / SLOTS_PER_EPOCH)
}
