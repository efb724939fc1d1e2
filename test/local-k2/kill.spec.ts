/** `koii-mesh k2` as a process that is killed with SIGKILL at random moments: what it said was confirmed stays, and everything adds up. */
import { join } from 'node:path'
import bs58 from 'bs58'
import { expect } from 'chai'
import { WebSocket } from 'ws'
import { type KeyPair, keyPairFromSeed } from '../../src/identity/index.ts'
import { signTransfer } from '../../src/local-k2/index.ts'
import { type Cli, cli, sleep, tempDir } from '../e2e/cli.ts'
import { post } from './support.ts'

const SEED = Number(process.env.KOII_TEST_SEED ?? 2026)
const KILLS = 18
const ACCOUNTS = 6
const FUNDED = 1_000_000_000_000n
const FEE = 5000n
/** Transfers under way at once. */
const SENDERS = 6

interface Sent {
  from: number
  to: number
  lamports: bigint
  /** How the local K2 said that it is confirmed, if it did. */
  confirmedBy?: 'http' | 'webSocket'
}

// biome-ignore lint/suspicious/noExplicitAny: JSON as it comes
type Json = any

describe(`local K2: kill -9, ${KILLS} times (KOII_TEST_SEED=${SEED})`, function () {
  this.timeout(180_000)

  let dir: string
  let remove: () => Promise<void>
  let k2: Cli | undefined
  before(async () => {
    ;({ dir, remove } = await tempDir())
  })
  after(async () => {
    await k2?.clean()
    await remove?.()
  })

  it('loses nothing that was confirmed, creates and burns no lamport, and goes on with the next slot', async () => {
    const random = randomOf(SEED)
    const between = (from: number, to: number) => from + random() * (to - from)
    const keys = Array.from({ length: ACCOUNTS }, (_, at) => keyPairFromSeed(new Uint8Array(32).fill(at + 1)))
    const sent = new Map<string, Sent>()
    const restartsMs: number[] = []
    let [amount, lastConfirmedSlot, supplyAtFirst, kills, early] = [1n, 0, undefined as bigint | undefined, 0, 0]

    const start = () => {
      const funds = keys.flatMap(({ address }) => ['--fund', `${address}=1000`])
      // the funds are there once the chain is: given again they must change nothing
      const again = supplyAtFirst === undefined ? funds : []
      k2 = cli(['k2', '--port', '0', '--slot-ms', '20', '--data-dir', join(dir, 'k2'), '--json', ...again])
      return k2
    }
    const kill = async (victim: Cli) => {
      victim.signal('SIGKILL')
      expect(await victim.ended).to.deep.equal({ code: null, signal: 'SIGKILL' })
      kills++
    }

    for (let life = -3; kills <= KILLS; life++) {
      const startedMs = performance.now()
      const process = start()
      // sometimes it does not even get to listen, the first times not even to a chain
      if (kills < KILLS && (life < 0 || life % 4 === 1)) {
        await sleep(between(0, 1500))
        early += process.events.length === 0 ? 1 : 0
        await kill(process)
        continue
      }
      const { url, wsUrl, slot } = await process.event('listening', ({ event }) => event === 'listening')
      restartsMs.push(performance.now() - startedMs)
      const call = (method: string, ...params: unknown[]) => rpc(url, method, params)

      // what is there
      expect(slot, 'the slots go on').to.be.greaterThan(lastConfirmedSlot)
      const landed = new Set<string>()
      const signatures = [...sent.keys()]
      for (let at = 0; at < signatures.length; at += 256) {
        const batch = signatures.slice(at, at + 256)
        const { value } = await call('getSignatureStatuses', batch, { searchTransactionHistory: true })
        for (const [index, status] of value.entries()) {
          if (status != null) {
            expect(status.err, batch[index]).to.equal(null)
            landed.add(batch[index]!)
          }
        }
      }
      for (const [signature, { confirmedBy }] of sent) {
        if (confirmedBy !== undefined) {
          expect(landed.has(signature), `${signature} was confirmed by ${confirmedBy} before kill ${kills}`).to.equal(true)
        }
      }
      // each with all of its effects, and nothing else
      const balances = keys.map(() => FUNDED)
      for (const signature of landed) {
        const { from, to, lamports } = sent.get(signature)!
        balances[from]! -= lamports + FEE
        balances[to]! += lamports
      }
      for (const [at, { address }] of keys.entries()) {
        const { value } = await call('getBalance', address, { commitment: 'confirmed' })
        expect(BigInt(value), `balance of ${at} after kill ${kills}`).to.equal(balances[at])
      }
      const supply = BigInt((await call('getSupply', { commitment: 'confirmed' })).value.total)
      supplyAtFirst ??= supply
      expect(supply, 'only fees are burnt').to.equal(supplyAtFirst - BigInt(landed.size) * FEE)
      expect(await call('getTransactionCount', { commitment: 'confirmed' })).to.equal(ACCOUNTS + landed.size)
      // and the blocks are one chain
      const tip = await call('getSlot', { commitment: 'confirmed' })
      expect(await call('getBlocks', 0, tip)).to.deep.equal(Array.from({ length: tip + 1 }, (_, at) => at))
      const [parent, child] = [await call('getBlock', tip - 1), await call('getBlock', tip)]
      expect(child).to.include({ parentSlot: tip - 1, previousBlockhash: parent.blockhash, blockHeight: parent.blockHeight + 1 })
      if (kills === KILLS) {
        break
      }

      // transfers keep coming while it is killed
      let dead = false
      const socket = await openSocket(wsUrl)
      const send = async (sender: number) => {
        for (let turn = sender; !dead; turn++) {
          const from = turn % ACCOUNTS
          const to = (from + 1 + (turn % (ACCOUNTS - 1))) % ACCOUNTS
          const transfer: Sent = { from, to, lamports: amount++ }
          const { value } = await call('getLatestBlockhash', { commitment: 'confirmed' })
          const bytes = signTransfer(wireOf(transfer, keys, value.blockhash))
          const signature = bs58.encode(bytes.subarray(1, 65))
          sent.set(signature, transfer)
          if (turn % 2 === 0) {
            const told = socket.confirmed(signature)
            await call('sendTransaction', Buffer.from(bytes).toString('base64'), { encoding: 'base64' })
            await told
            transfer.confirmedBy = 'webSocket'
          } else {
            await call('sendTransaction', Buffer.from(bytes).toString('base64'), { encoding: 'base64' })
            let status: Json
            do {
              await sleep(3)
              ;[status] = (await call('getSignatureStatuses', [signature])).value
            } while (status?.confirmationStatus !== 'confirmed' && status?.confirmationStatus !== 'finalized')
            transfer.confirmedBy = 'http'
          }
        }
      }
      const senders = Array.from({ length: SENDERS }, (_, at) =>
        send(at).catch((err) => {
          if (!dead) {
            throw err
          }
        })
      )
      const over = Promise.all(senders)
      await Promise.race([over, sleep(between(30, 500))])
      lastConfirmedSlot = await call('getSlot', { commitment: 'confirmed' })
      await Promise.race([over, sleep(between(0, 40))])
      dead = true
      await kill(process)
      socket.close()
      await over
    }

    expect(kills).to.equal(KILLS)
    const confirmed = [...sent.values()].filter(({ confirmedBy }) => confirmedBy !== undefined)
    // it would be no test of either if nothing had been confirmed that way
    for (const way of ['http', 'webSocket'] as const) {
      expect(confirmed.filter(({ confirmedBy }) => confirmedBy === way).length, way).to.be.greaterThan(5)
    }
    const sorted = restartsMs.toSorted((a, b) => a - b)
    console.log(
      `      ${sent.size} sent, ${confirmed.length} confirmed before a kill; ${early} kills before it listened; ` +
        `start median ${sorted[Math.floor(sorted.length / 2)]!.toFixed(0)} ms, longest ${sorted.at(-1)!.toFixed(0)} ms`
    )
  })
})

function wireOf({ from, to, lamports }: Sent, keys: KeyPair[], blockhash: string) {
  return { from: keys[from]!, to: keys[to]!.publicKey, lamports, blockhash }
}

async function rpc(url: string, method: string, params: unknown[]): Promise<Json> {
  const response = await fetch(url, post({ jsonrpc: '2.0', id: 1, method, params }))
  const { result, error } = (await response.json()) as Json
  if (error !== undefined) {
    throw new Error(`${method}: ${JSON.stringify(error)}`)
  }
  return result
}

/** A WebSocket whose `confirmed` resolves when the notification came, and rejects when the connection ends before. */
async function openSocket(url: string) {
  const socket = new WebSocket(url)
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
  let nextId = 1
  const asked = new Map<number, () => void>()
  const live = new Map<number, () => void>()
  const waiting = new Set<(err: Error) => void>()
  socket.on('message', (data) => {
    const { id, result, params } = JSON.parse(data.toString())
    if (id !== undefined) {
      live.set(result, asked.get(id)!)
    } else {
      expect(params.result.value.err).to.equal(null)
      live.get(params.subscription)!()
    }
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    for (const reject of waiting) {
      reject(new Error('the connection ended'))
    }
  })
  return {
    confirmed(signature: string): Promise<void> {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      // it may end before anybody waits for it
      promise.catch(() => {})
      waiting.add(reject)
      asked.set(nextId, resolve)
      const params = [signature, { commitment: 'confirmed' }]
      socket.send(JSON.stringify({ jsonrpc: '2.0', id: nextId++, method: 'signatureSubscribe', params }))
      return promise
    },
    close: () => socket.terminate()
  }
}

/** mulberry32: the same numbers from 0 to 1 for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let value = Math.imul(state ^ (state >>> 15), 1 | state)
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32
  }
}
