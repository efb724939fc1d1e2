/** What the local K2 keeps: blocks, transactions and accounts, written and asked for. */
import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite'
import { stringifyJson } from '../k2/json.ts'
import { decodeBase58, encodeBase58 } from './base58.ts'
import type { AccountChange, Block, TransactionRecord } from './block.ts'
import { closeChain, openChain } from './chain-file.ts'
import { keysOf, PLACES_PER_SLOT, type Row, slotOf, toBlock, toError, toRecord } from './chain-rows.ts'
import { decodeTransaction, type WireTransaction } from './transaction.ts'
import type { TransactionError } from './transaction-error.ts'
import { type AccountState, RENT_EXEMPT_EPOCH } from './vm.ts'

/**
 * How many old blocks and transactions one commit removes at most, beyond twice as many as it adds: a smaller limit after a restart
 * does not stop the slots, and a flood after a quiet time does not outgrow the limit.
 */
const PRUNE_PER_COMMIT = 256
/** Blocks that are kept whatever the limits: twice as many as a blockhash lives, so that no transaction can come twice. */
export const MIN_KEEP_BLOCKS = 300
/** An account that is nothing but lamports. */
const IS_WALLET = `executable = 0 AND length(data) = 0 AND owner = zeroblob(32) AND rent = -1`

/** One transaction that mentions an address, without its contents. */
export interface Mention {
  signature: string
  slot: number
  /** Its place in the block. */
  index: number
  /** The whole transaction, when it has a memo. */
  wire: WireTransaction | undefined
  blockTimeS: number
  err: TransactionError | null
}

/**
 * Blocks, transactions and the last state of every account, in one SQLite file or in memory.
 *
 * A block, its transactions and the accounts that it changed are written in one transaction of the database, so what a kill leaves
 * behind is always the state after some whole block, and opening needs no replay: the accounts are read as they are.
 * `synchronous = NORMAL` with a write-ahead log keeps every commit through a kill of the process; a loss of power may take the last ones.
 */
export class History {
  readonly #db: DatabaseSync
  readonly #keepsAccounts: boolean
  readonly #dataDir: string | undefined
  readonly #keepBlocks: number
  readonly #keepTransactions: number
  readonly #statements = new Map<string, StatementSync>()
  #kept = 0

  /**
   * Opens the chain in `dataDir`, or an empty one there or in memory.
   *
   * @throws DataDirLockedError, DataDirVersionError, DataDirCorruptError, DataDirUnusableError
   */
  constructor(init: { dataDir?: string | undefined; keepBlocks: number; keepTransactions: number }) {
    this.#keepBlocks = init.keepBlocks
    this.#keepTransactions = init.keepTransactions
    this.#keepsAccounts = init.dataDir !== undefined
    this.#dataDir = init.dataDir
    this.#db = openChain(init.dataDir)
    this.#kept = Number(this.#get('SELECT coalesce(sum(transactions), 0) AS n FROM blocks')?.n)
  }

  fact(name: string): string | undefined {
    return this.#get('SELECT value FROM facts WHERE name = ?', name)?.value?.toString()
  }

  /** Writes a finished block with what belongs to it, as a whole or not at all, and drops the oldest blocks past the limits. */
  commit(
    block: Block,
    transactions: readonly TransactionRecord[],
    accounts: Iterable<AccountChange>,
    facts: Record<string, string> = {}
  ): void {
    let pruned = 0
    this.#atomically(() => {
      for (const [name, value] of Object.entries(facts)) {
        this.#run('INSERT OR REPLACE INTO facts VALUES (?, ?)', name, value)
      }
      this.#run(
        'INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
        block.height,
        block.slot,
        block.parentSlot,
        decodeBase58(block.blockhash),
        decodeBase58(block.previousBlockhash),
        block.blockTimeS,
        block.transactions,
        block.totalTransactions,
        block.supply.toString()
      )
      for (const { slot, index, wire, meta, keys } of transactions) {
        const id = slot * PLACES_PER_SLOT + index
        const err = meta.err === null ? null : stringifyJson(meta.err)
        this.#run('INSERT INTO transactions VALUES (?, ?, ?, ?, ?)', id, wire.signatures[0]!, err, wire.bytes, stringifyJson(meta))
        for (const [at, key] of keys.entries()) {
          // a key may come twice when a lookup table repeats one of the message's
          this.#run('INSERT OR IGNORE INTO mentions VALUES (?, ?)', wire.keys[at] ?? decodeBase58(key), id)
        }
      }
      this.#setAccounts(accounts)
      pruned = this.#prune(block.height, this.#kept + transactions.length, 2 * transactions.length + PRUNE_PER_COMMIT)
    })
    this.#kept += transactions.length - pruned
  }

  /** Every account, those that are not programs first. */
  *accounts(): Generator<{ key: Uint8Array; state: AccountState }> {
    yield* this.#wallets()
    const statement = this.#db.prepare(`SELECT * FROM accounts WHERE executable = ? AND NOT (${IS_WALLET})`)
    statement.setReadBigInts(true)
    for (const executable of [0, 1]) {
      for (const row of statement.iterate(executable)) {
        const state: AccountState = {
          lamports: BigInt.asUintN(64, row.lamports as bigint),
          owner: row.owner as Uint8Array,
          data: row.data as Uint8Array,
          executable: executable === 1,
          rentEpoch: BigInt.asUintN(64, row.rent as bigint)
        }
        yield { key: row.address as Uint8Array, state }
      }
    }
  }

  /** The accounts that are nothing but lamports, which may be many: read by the hundred as one text each, three times as fast as rows. */
  *#wallets(): Generator<{ key: Uint8Array; state: AccountState }> {
    const wallet = { owner: new Uint8Array(32), data: new Uint8Array(), executable: false, rentEpoch: RENT_EXEMPT_EPOCH }
    const statement = this.#db.prepare(
      `SELECT group_concat(hex(address) || printf('%016X', lamports), '') AS hex FROM accounts WHERE ${IS_WALLET} GROUP BY substr(address, 1, 1)`
    )
    for (const { hex } of statement.iterate()) {
      const bytes = Buffer.from(hex as string, 'hex')
      for (let at = 0; at < bytes.length; at += 40) {
        yield { key: bytes.subarray(at, at + 32), state: { ...wallet, lamports: bytes.readBigUInt64BE(at + 32) } }
      }
    }
  }

  /** The last `count` blocks, newest first. */
  lastBlocks(count: number): Block[] {
    return this.#all('SELECT * FROM blocks ORDER BY height DESC LIMIT ?', count).map(toBlock)
  }

  block(slot: number): Block | undefined {
    const row = this.#get('SELECT * FROM blocks WHERE slot = ?', slot)
    return row === undefined ? undefined : toBlock(row)
  }

  firstSlot(): number {
    return Number(this.#get('SELECT slot FROM blocks ORDER BY height LIMIT 1')?.slot ?? 0)
  }

  /** The slots that have a block, from `from` to `to`, both included. */
  slots(from: number, to: number): number[] {
    return this.#all('SELECT slot FROM blocks WHERE slot BETWEEN ? AND ? ORDER BY slot', from, to).map((row) => Number(row.slot))
  }

  /** The first slots from `from` on that have a block, `limit` at most. */
  slotsFrom(from: number, limit: number): number[] {
    return this.#all('SELECT slot FROM blocks WHERE slot >= ? ORDER BY slot LIMIT ?', from, limit).map((row) => Number(row.slot))
  }

  /** How many slots from `from` to `to`, both included, have a block that is kept. */
  countBlocks(from: number, to: number): number {
    return Number(this.#get('SELECT count(*) AS n FROM blocks WHERE slot BETWEEN ? AND ?', from, to)?.n)
  }

  /** Blocks and transactions of each whole period of `periodS` seconds that lies wholly before the time `untilS`, newest first. */
  samples(periodS: number, untilS: number, limit: number): Array<{ slot: number; firstSlot: number; transactions: number }> {
    return this.#all(
      `SELECT max(slot) AS slot, min(slot) AS first, sum(transactions) AS n FROM blocks WHERE time < ? - ? % ?
       GROUP BY CAST(time / ? AS INTEGER) ORDER BY slot DESC LIMIT ?`,
      untilS,
      untilS,
      periodS,
      periodS,
      limit
    ).map(({ slot, first, n }) => ({ slot: Number(slot), firstSlot: Number(first), transactions: Number(n) }))
  }

  /** The transactions of the block at `slot`, in order. */
  transactionsOf(slot: number): TransactionRecord[] {
    const from = slot * PLACES_PER_SLOT
    return this.#all('SELECT id, bytes, meta FROM transactions WHERE id BETWEEN ? AND ? ORDER BY id', from, from + PLACES_PER_SLOT - 1).map(
      toRecord
    )
  }

  transaction(signature: Uint8Array): TransactionRecord | undefined {
    const row = this.#get('SELECT id, bytes, meta FROM transactions WHERE signature = ?', signature)
    return row === undefined ? undefined : toRecord(row)
  }

  /** Where a transaction is and whether it failed, without reading it. */
  status(signature: Uint8Array): { slot: number; err: TransactionError | null } | undefined {
    const row = this.#get('SELECT id, err FROM transactions WHERE signature = ?', signature)
    return row === undefined ? undefined : { slot: slotOf(row), err: toError(row) }
  }

  /**
   * Transactions that mention `address`, newest first: those before the transaction `before` and after the transaction `until`.
   * A `before` that is not known has nothing before it; an `until` that is not known ends nothing.
   */
  mentions(
    address: Uint8Array,
    range: { before?: Uint8Array | undefined; until?: Uint8Array | undefined; limit: number; memoPrograms?: readonly Uint8Array[] }
  ): Mention[] {
    const id = (signature: Uint8Array | undefined) =>
      signature === undefined ? undefined : this.#get('SELECT id FROM transactions WHERE signature = ?', signature)?.id
    const before = range.before === undefined ? Number.MAX_SAFE_INTEGER : (id(range.before) ?? 0)
    const rows = this.#all(
      // the bytes of the few that have a memo only: most have none, and a thousand transactions are much to read
      `SELECT t.id, t.signature, t.err, b.time,
         CASE WHEN EXISTS (SELECT 1 FROM mentions x WHERE x.address IN (?, ?) AND x.id = t.id) THEN t.bytes END AS bytes
       FROM mentions m JOIN transactions t ON t.id = m.id
       JOIN blocks b ON b.slot = t.id / ${PLACES_PER_SLOT}
       WHERE m.address = ? AND m.id < ? AND m.id > ? ORDER BY m.id DESC LIMIT ?`,
      range.memoPrograms?.[0] ?? null,
      range.memoPrograms?.[1] ?? null,
      address,
      before,
      id(range.until) ?? 0,
      range.limit
    )
    return rows.map((row) => ({
      signature: encodeBase58(row.signature as Uint8Array),
      slot: slotOf(row),
      index: Number(row.id) % PLACES_PER_SLOT,
      wire: row.bytes === null ? undefined : decodeTransaction(row.bytes as Uint8Array),
      blockTimeS: Number(row.time),
      err: toError(row)
    }))
  }

  close(): void {
    closeChain(this.#db, this.#dataDir)
  }

  #atomically(work: () => void): void {
    this.#db.exec('BEGIN IMMEDIATE')
    try {
      work()
      this.#db.exec('COMMIT')
    } catch (err) {
      // after some errors (a full disk) SQLite has rolled back by itself
      if (this.#db.isTransaction) {
        this.#db.exec('ROLLBACK')
      }
      throw err
    }
  }

  #setAccounts(accounts: Iterable<AccountChange>): void {
    if (!this.#keepsAccounts) {
      return
    }
    for (const { key, state } of accounts) {
      if (state === undefined) {
        this.#run('DELETE FROM accounts WHERE address = ?', key)
      } else {
        const { lamports, owner, executable, rentEpoch, data } = state
        // SQLite's integers are signed: u64 goes in as its two's complement
        const [signedLamports, signedRent] = [BigInt.asIntN(64, lamports), BigInt.asIntN(64, rentEpoch)]
        this.#run(
          'INSERT OR REPLACE INTO accounts VALUES (?, ?, ?, ?, ?, ?)',
          key,
          signedLamports,
          owner,
          executable ? 1 : 0,
          signedRent,
          data
        )
      }
    }
  }

  /** @returns how many transactions went */
  #prune(height: number, kept: number, atMost: number): number {
    let pruned = 0
    let blocks = 0
    // a block is begun and finished, so that of the oldest one there is all or nothing
    while (pruned + blocks < atMost) {
      const oldest = this.#get('SELECT height, slot, transactions FROM blocks ORDER BY height LIMIT 1') as Record<string, number>
      const tooMany = oldest.height! <= height - this.#keepBlocks
      const tooFull = kept - pruned > this.#keepTransactions && oldest.height! <= height - MIN_KEEP_BLOCKS
      if (!tooMany && !tooFull) {
        break
      }
      if (oldest.transactions! > 0) {
        const range = [oldest.slot! * PLACES_PER_SLOT, (oldest.slot! + 1) * PLACES_PER_SLOT - 1] as const
        for (const { id, bytes, meta } of this.#all('SELECT id, bytes, meta FROM transactions WHERE id BETWEEN ? AND ?', ...range)) {
          for (const key of keysOf(bytes as Uint8Array, meta as string)) {
            this.#run('DELETE FROM mentions WHERE address = ? AND id = ?', key, id as number)
          }
          pruned++
        }
        this.#run('DELETE FROM transactions WHERE id BETWEEN ? AND ?', ...range)
      }
      this.#run('DELETE FROM blocks WHERE height = ?', oldest.height!)
      blocks++
    }
    return pruned
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      this.#statements.set(sql, (statement = this.#db.prepare(sql)))
    }
    return statement
  }

  #run(sql: string, ...values: Array<string | number | bigint | Uint8Array | null>): void {
    this.#statement(sql).run(...values)
  }

  #get(sql: string, ...values: Array<string | number | Uint8Array>): Row | undefined {
    return this.#statement(sql).get(...values)
  }

  #all(sql: string, ...values: Array<string | number | Uint8Array | SQLOutputValue>): Row[] {
    return this.#statement(sql).all(...values)
  }
}
