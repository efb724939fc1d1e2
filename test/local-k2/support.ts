import {
  Connection,
  type ConnectionConfig,
  Keypair,
  PublicKey,
  SystemProgram,
  Transaction,
  type TransactionSignature
} from '@solana/web3.js'
import { LiteSVM } from 'litesvm'
import { createLocalK2, type LocalK2, type LocalK2Clock, type LocalK2Init } from '../../src/local-k2/index.ts'
import { failureOf as failure } from '../k2/waits.ts'

export { eventually } from '../k2/waits.ts'

// biome-ignore lint/suspicious/noExplicitAny: a test says what it expects of JSON and of errors by reading it
type Json = any

/** A running local K2 whose slots go on only when told to. */
export interface Fixture {
  k2: LocalK2
  /** Confirms at `confirmed`, over a WebSocket that closes with the fixture. */
  connection: Connection
  /** Completes so many slots. */
  slots(count?: number): void
  /** A new key pair with so many lamports, in a completed block. */
  funded(lamports: number): Promise<Keypair>
  /** Calls a method with nothing of web3.js in between: the answer's whole JSON. */
  call(method: string, ...params: unknown[]): Promise<{ result?: Json; error?: { code: number; message: string; data?: Json } }>
  close(): Promise<void>
}

/** Starts a local K2 on a free port; it stands still at slot 1 unless `ticking`. */
export async function startK2(init: LocalK2Init & { ticking?: boolean; web3?: ConnectionConfig } = {}): Promise<Fixture> {
  const k2 = await createLocalK2({ port: 0, slotMs: 50, ...init })
  if (init.ticking !== true) {
    k2.hold()
  }
  await k2.start()
  const connection = new Connection(k2.url, { commitment: 'confirmed', disableRetryOnRateLimit: true, ...init.web3 })
  const slots = (count = 1) => {
    for (let i = 0; i < count; i++) {
      k2.warpTo(k2.slot() + 1)
    }
  }
  return {
    k2,
    connection,
    slots,
    async funded(lamports) {
      const pair = Keypair.generate()
      await connection.requestAirdrop(pair.publicKey, lamports)
      if (init.ticking !== true) {
        slots()
      }
      return pair
    },
    async call(method, ...params) {
      const response = await fetch(k2.url, post({ jsonrpc: '2.0', id: 1, method, params }))
      return (await response.json()) as Awaited<ReturnType<Fixture['call']>>
    },
    async close() {
      closeWebSocket(connection)
      await k2.stop()
    }
  }
}

/** web3.js dials a lost server again for ever; there is no public way to tell it not to. */
export function closeWebSocket(connection: Connection): void {
  const inside = connection as unknown as {
    _rpcWebSocket: { close(): void; setAutoReconnect(on: boolean): void }
    _subscriptionsByHash: object
  }
  inside._subscriptionsByHash = {}
  inside._rpcWebSocket.setAutoReconnect(false)
  inside._rpcWebSocket.close()
}

/** A transfer signed for the newest blockhash. */
export async function transfer(f: Fixture, from: Keypair, to: PublicKey, lamports: number, blockhash?: string): Promise<Transaction> {
  const transaction = new Transaction({
    feePayer: from.publicKey,
    ...(await f.connection.getLatestBlockhash()),
    ...(blockhash === undefined ? {} : { blockhash })
  }).add(SystemProgram.transfer({ fromPubkey: from.publicKey, toPubkey: to, lamports }))
  transaction.sign(from)
  return transaction
}

/** Sends a transfer and completes its slot. */
export async function pay(f: Fixture, from: Keypair, to: PublicKey, lamports: number): Promise<TransactionSignature> {
  const signature = await f.connection.sendRawTransaction((await transfer(f, from, to, lamports)).serialize())
  f.slots()
  return signature
}

/** The error that `promise` ends with. */
export const failureOf = (promise: Promise<unknown>): Promise<Json> => failure(promise)

/** A clock that stands until it is moved. */
export function manualClock(startMs: number): LocalK2Clock & { advance(ms: number): void } {
  let nowMs = startMs
  let timers: Array<{ atMs: number; fn: () => void }> = []
  return {
    nowMs: () => nowMs,
    after(delayMs, fn) {
      const timer = { atMs: nowMs + delayMs, fn }
      timers.push(timer)
      return () => {
        timers = timers.filter((other) => other !== timer)
      }
    },
    advance(ms) {
      const endMs = nowMs + ms
      for (;;) {
        const [next] = timers.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)
        if (next === undefined) {
          break
        }
        timers = timers.filter((other) => other !== next)
        nowMs = next.atMs
        next.fn()
      }
      nowMs = endMs
    }
  }
}

/** A real program: SPL Token, whose ELF comes with LiteSVM. Its accounts are laid out as everywhere. */
export function tokenElf(): Uint8Array {
  const svm = new LiteSVM()
  const program = svm.getAccount('TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA' as never)
  if (!program.exists) {
    throw new Error('LiteSVM comes without SPL Token')
  }
  // the program's account names its data account, which holds the ELF after 45 bytes
  const [data] = svm
    .getProgramAccounts('BPFLoaderUpgradeab1e11111111111111111111111' as never)
    .filter(({ address }) => Buffer.compare(new PublicKey(address).toBytes(), program.data.slice(4, 36)) === 0)
  return data!.data.slice(45)
}

/** A JSON-RPC request for fetch; text goes as it is. */
export function post(body: unknown): RequestInit {
  return { method: 'POST', headers: { 'content-type': 'application/json' }, body: typeof body === 'string' ? body : JSON.stringify(body) }
}
