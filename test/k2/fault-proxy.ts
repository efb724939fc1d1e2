/**
 * A K2 endpoint that misbehaves as it is told: HTTP and WebSocket in front of a real K2.
 *
 * @example
 * const proxy = await startFaultProxy({ target: k2.url, random })
 * proxy.set({ slowMs: 200, lies: ['landed'] })
 * const client = createK2Client({ url: proxy.url })
 */

import { generateKeyPairSync } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { ComputeBudgetProgram, Transaction } from '@solana/web3.js'
import bs58 from 'bs58'
import { WebSocket, WebSocketServer } from 'ws'
import { instructionName, PROGRAM_ID, STAKE_BYTES, TASK_BYTES } from '../../src/k2/settlement/index.ts'

/** Things that a lying endpoint says. */
export const LIES = [
  /** every vote that was sent to it has landed; none is passed on */
  'landed',
  /** every vote that was sent to it has landed, for another record */
  'other record',
  /** nobody has ever voted */
  'never landed',
  /** who sends has no money */
  'unpayable',
  /** the vote was there already */
  'already voted',
  /** the chain is far ahead */
  'slot',
  /** blockhashes that nobody knows */
  'blockhash',
  /** all stakes are ten times as large */
  'stakes',
  /** the task is another's, and finalized something else */
  'task'
] as const

/** Lies about blocks, which concern no vote. */
export const BLOCK_LIES = [
  /** every block has another hash */
  'block',
  /** the first block of a range is not there, nor the one after it aware of it */
  'hidden block',
  /** the first block of a range is not kept */
  'lost block'
] as const

/** Lies about lists, which concern no vote. */
export const LIST_LIES = [
  /** nobody has staked: the endpoint keeps no index of the program's accounts */
  'no stakes',
  /** the first stake of a list is not in it */
  'short stakes',
  /** the task's own account says that nobody has ever staked */
  'unstaked task'
] as const

export type Lie = (typeof LIES)[number] | (typeof BLOCK_LIES)[number] | (typeof LIST_LIES)[number]

/** What is wrong with an endpoint; nothing, when empty. Chances are from 0 to 1. */
export interface Faults {
  /** Connections are cut as soon as they are made. */
  down?: boolean
  /** Every request is answered with this status. */
  httpStatus?: number
  retryAfterS?: number
  slowMs?: number
  /** The state of the moment when this was set is all that it ever tells; 'cached' does not even heed minContextSlot. */
  frozen?: 'honest' | 'cached'
  /** Chance that a request is taken and never passed on nor answered. */
  dropRequest?: number
  /** Chance that a request is passed on and its answer lost. */
  dropAnswer?: number
  /** Chance that a transaction is passed on twice. */
  duplicate?: number
  /** Chance that the answer is garbage. */
  garbage?: number
  /** Answers of this many bytes. */
  hugeBytes?: number
  lies?: readonly Lie[]
  /** Votes go to this fork, which shows them as confirmed, until it is rolled back. */
  fork?: Fork
  /** WebSocket connections stay open and say nothing any more. */
  halfOpen?: boolean
  /** Another network. */
  genesisHash?: string
  /** Transactions that bid less for a compute unit, in micro-lamports, are taken and never passed on: the chain is busy. */
  dropBelowPrice?: bigint
}

/** A fork that nobody builds on: several endpoints can be on it together. */
export interface Fork {
  votes: Map<string, SentVote>
  signatures: Set<string>
}

export function createFork(): Fork {
  return { votes: new Map(), signatures: new Set() }
}

interface SentVote {
  cycle: number
  recordDigest: Buffer
}

export interface FaultProxy {
  url: string
  /** From now on; what was wrong before is over. */
  set(faults: Faults): void
  faults(): Faults
  /** Cuts every WebSocket, once. */
  cutWebSockets(): void
  webSockets(): number
  /** How often each fault struck. */
  counters(): Record<string, number>
  /** How often each method was asked for. */
  requests(): Record<string, number>
  close(): Promise<void>
}

const GARBAGE = [
  '',
  'null',
  '[]',
  '{}',
  '"x"',
  '<html><body>502 Bad Gateway</body></html>',
  '{"jsonrpc":"2.0","result":',
  '{"jsonrpc":"2.0","id":"1","result":null}',
  '{"jsonrpc":"2.0","id":"1","result":[]}',
  '{"jsonrpc":"2.0","id":"1","result":{"context":"no","value":7}}',
  '{"jsonrpc":"2.0","id":"1","result":{"context":{"slot":-1},"value":{"data":["!!!","base64"],"owner":7}}}',
  '{"jsonrpc":"2.0","id":"1","result":{"context":{"slot":1e300},"value":[null]}}',
  '{"jsonrpc":"2.0","id":"1","error":"boom"}',
  '{"jsonrpc":"2.0","id":"1","error":{"code":"x"}}',
  '{"jsonrpc":"2.0","id":"1","error":{"code":-32603,"message":"Internal error"}}',
  `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
  '\u0000\uffff\u0001'
]

const STAKE_VOTE_AT = 200
const NOTICE_GARBAGE = ['', '{', 'null', '[]', '{"method":"slotNotification"}', '{"params":{"subscription":0,"result":{"slot":"x"}}}']

// biome-ignore lint/suspicious/noExplicitAny: it takes JSON apart that it passes on
type Json = any

export async function startFaultProxy({ target, random }: { target: string; random: () => number }): Promise<FaultProxy> {
  const upstreamSocket = new URL(target)
  upstreamSocket.protocol = 'ws:'
  upstreamSocket.port = `${Number(upstreamSocket.port) + 1}`
  let faults: Faults = {}
  let closed = false
  /** What was asked for, so that it can be frozen. */
  const asked = new Map<string, { method: string; params: Json[] }>()
  let frozen: Map<string, Promise<Json>> | undefined
  /** What it says that has landed. */
  const claimed = new Map<string, SentVote>()
  const claimedSignatures = new Set<string>()
  const counters: Record<string, number> = {}
  const requested = new Map<string, number>()
  const sockets = new Set<Socket>()
  const pairs = new Set<{ near: WebSocket; far: WebSocket }>()
  const count = (what: string) => {
    counters[what] = (counters[what] ?? 0) + 1
  }
  const strikes = (chance: number | undefined) => chance != null && random() < chance
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!
  const lies = (lie: Lie) => faults.lies?.includes(lie) === true

  const upstream = async (body: string): Promise<Json> => {
    const response = await fetch(target, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    return response.json()
  }
  const call = (method: string, params: Json[]) => upstream(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }))

  // -- how answers are bent

  const patchVote = (data: Buffer, { cycle, recordDigest }: SentVote) => {
    data.writeBigUInt64LE(BigInt(cycle) + 1n, STAKE_VOTE_AT)
    recordDigest.copy(data, STAKE_VOTE_AT + 8)
  }
  const patchAccount = (address: string, account: Json, commitment: string) => {
    if (account == null || !Array.isArray(account.data)) {
      return
    }
    const data = Buffer.from(account.data[0], 'base64')
    const claim = claimed.get(address)
    if (data.length === STAKE_BYTES) {
      const forked = commitment === 'finalized' ? undefined : faults.fork?.votes.get(address)
      if (forked != null) {
        patchVote(data, forked)
        count('fork')
      }
      if (claim != null && (lies('landed') || lies('other record'))) {
        patchVote(data, lies('landed') ? claim : { cycle: claim.cycle, recordDigest: Buffer.alloc(32, 0xee) })
        count('lie')
      }
      if (lies('never landed')) {
        data.writeBigUInt64LE(0n, STAKE_VOTE_AT)
        count('lie')
      }
      if (lies('stakes')) {
        data.writeBigUInt64LE(data.readBigUInt64LE(136) * 10n, 136)
        count('lie')
      }
    }
    if (data.length === TASK_BYTES && lies('task')) {
      data.fill(0xaa, 8, 40)
      data.writeBigUInt64LE(99n, 152)
      count('lie')
    }
    if (data.length === TASK_BYTES && lies('unstaked task')) {
      data.fill(0, 120, 128).fill(0, 296, 360)
      count('lie')
    }
    account.data = [data.toString('base64'), 'base64']
  }
  const bend = (method: string, params: Json[], answer: Json) => {
    const result = answer.result
    if (result == null) {
      return
    }
    const config = params.findLast((param) => typeof param === 'object' && param != null && !Array.isArray(param)) ?? {}
    const commitment = config.commitment ?? 'finalized'
    if (method === 'getAccountInfo') {
      patchAccount(params[0], result.value, commitment)
    }
    if (method === 'getMultipleAccounts') {
      params[0].forEach((address: string, i: number) => {
        patchAccount(address, result.value[i], commitment)
      })
    }
    if (method === 'getProgramAccounts') {
      const list = Array.isArray(result) ? result : result.value
      for (const { pubkey, account } of list) {
        patchAccount(pubkey, account, commitment)
      }
      if (lies('no stakes') || lies('short stakes')) {
        list.splice(0, lies('no stakes') ? list.length : 1)
        count('lie')
      }
    }
    if (method === 'getSignatureStatuses') {
      ;(params[0] as string[]).forEach((signature, i) => {
        const forked = faults.fork?.signatures.has(signature) === true
        if (forked || (claimedSignatures.has(signature) && lies('landed'))) {
          const confirmationStatus = forked ? 'confirmed' : 'finalized'
          result.value[i] = {
            slot: result.context.slot,
            confirmations: forked ? 1 : null,
            err: null,
            status: { Ok: null },
            confirmationStatus
          }
        }
      })
    }
    if (method === 'getLatestBlockhash' && lies('blockhash')) {
      result.value.blockhash = bs58.encode(Buffer.from(Array.from({ length: 32 }, () => Math.floor(random() * 256))))
      count('lie')
    }
    if (method === 'isBlockhashValid' && lies('blockhash')) {
      result.value = !result.value
      count('lie')
    }
    if (method === 'getBlocks' && (lies('hidden block') || lies('lost block'))) {
      result.shift()
      count('lie')
    }
    if (method === 'getBlock' && lies('hidden block')) {
      result.parentSlot = 0
      count('lie')
    }
    if (method === 'getBlock' && lies('block')) {
      result.blockhash = otherGenesisHash()
      count('lie')
    }
    if (lies('slot')) {
      count('lie')
      if (method === 'getBlocks') {
        // and has blocks there
        result.splice(0, result.length, params[0])
      }
      if (method === 'getSlot' || method === 'getBlockHeight') {
        answer.result += 1_000_000
      } else if (result.context != null) {
        result.context.slot += 1_000_000
      }
    }
    if (method === 'getGenesisHash' && faults.genesisHash != null) {
      answer.result = faults.genesisHash
      count('genesis')
    }
  }

  /** What a vote in a transaction says, with the address of its stake account. */
  const voteIn = (wire: string, encoding: string): { stake: string; vote: SentVote; signature: string } | undefined => {
    const transaction = Transaction.from(encoding === 'base64' ? Buffer.from(wire, 'base64') : bs58.decode(wire))
    for (const { programId, data, keys } of transaction.instructions) {
      if (programId.toBase58() === PROGRAM_ID && instructionName(data) === 'vote') {
        return {
          stake: keys[2]!.pubkey.toBase58(),
          vote: { cycle: Number(data.readBigUInt64LE(1)), recordDigest: Buffer.from(data.subarray(41, 73)) },
          signature: bs58.encode(transaction.signature!)
        }
      }
    }
    return undefined
  }
  /** What a transaction bids for a compute unit. */
  const priced = (text: string, encoding: string) => {
    const transaction = Transaction.from(encoding === 'base64' ? Buffer.from(text, 'base64') : Buffer.from(bs58.decode(text)))
    const bid = transaction.instructions.find(
      ({ programId, data }) => programId.equals(ComputeBudgetProgram.programId) && data[0] === 3 && data.length === 9
    )
    return { signature: bs58.encode(transaction.signature!), price: bid?.data.readBigUInt64LE(1) ?? 0n }
  }
  const failed = (id: Json, message: string, err: Json) => ({
    jsonrpc: '2.0',
    id,
    error: { code: -32002, message: `Transaction simulation failed: ${message}`, data: { err, logs: [] } }
  })
  const take = async (request: Json): Promise<Json> => {
    const { id, params } = request
    const encoding = params[1]?.encoding ?? 'base58'
    const found = voteIn(params[0], encoding)
    if (faults.dropBelowPrice != null) {
      const { signature, price } = priced(params[0], encoding)
      if (price < faults.dropBelowPrice) {
        count('too cheap')
        return { jsonrpc: '2.0', id, result: signature }
      }
    }
    if (found != null && lies('unpayable')) {
      count('lie')
      return failed(id, 'Attempt to debit an account but found no record of a prior credit.', 'AccountNotFound')
    }
    if (found != null && lies('already voted')) {
      count('lie')
      return failed(id, 'Error processing Instruction 0: custom program error: 0x81', { InstructionError: [0, { Custom: 129 }] })
    }
    if (found != null && (lies('landed') || lies('other record'))) {
      claimed.set(found.stake, found.vote)
      claimedSignatures.add(found.signature)
      count('lie')
      return { jsonrpc: '2.0', id, result: found.signature }
    }
    if (found != null && faults.fork != null) {
      const simulated = await call('simulateTransaction', [params[0], { encoding }])
      // what the chain would refuse, its forks refuse too
      if (simulated.result?.value?.err === null) {
        faults.fork.votes.set(found.stake, found.vote)
        faults.fork.signatures.add(found.signature)
        count('fork')
        return { jsonrpc: '2.0', id, result: found.signature }
      }
    }
    const answer = await upstream(JSON.stringify(request))
    if (strikes(faults.duplicate)) {
      count('duplicate')
      await upstream(JSON.stringify(request))
    }
    return answer
  }

  /** Requests that differ in minContextSlot alone ask for the same. */
  const keyOf = (method: string, params: Json[]) =>
    JSON.stringify([method, params], (key, value) => (key === 'minContextSlot' ? undefined : value))
  const withoutMinSlot = (params: Json[]) =>
    JSON.parse(JSON.stringify(params, (key, value) => (key === 'minContextSlot' ? undefined : value))) as Json[]

  const respond = async (request: Json): Promise<Json> => {
    const { id, method, params = [] } = request
    requested.set(method, (requested.get(method) ?? 0) + 1)
    if (method === 'sendTransaction') {
      return take(request)
    }
    const key = keyOf(method, params)
    asked.set(key, { method, params: withoutMinSlot(params) })
    let answer: Json
    if (frozen != null && method !== 'getGenesisHash') {
      count('frozen')
      if (!frozen.has(key)) {
        frozen.set(key, call(method, withoutMinSlot(params)))
      }
      answer = { ...structuredClone(await frozen.get(key)!), id }
      const minSlot = params.findLast((param: Json) => param?.minContextSlot != null)?.minContextSlot
      const slot = answer.result?.context?.slot
      if (faults.frozen === 'honest' && minSlot != null && (slot == null || slot < minSlot)) {
        return {
          jsonrpc: '2.0',
          id,
          error: { code: -32016, message: 'Minimum context slot has not been reached', data: { contextSlot: slot } }
        }
      }
    } else {
      answer = await upstream(JSON.stringify(request))
    }
    bend(method, params, answer)
    return answer
  }

  // -- HTTP

  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) {
      chunks.push(chunk as Buffer)
    }
    const body = Buffer.concat(chunks).toString()
    if (faults.down === true) {
      count('down')
      request.socket.destroy()
      return
    }
    if (strikes(faults.dropRequest)) {
      count('dropRequest')
      return
    }
    if (faults.httpStatus != null) {
      count('httpStatus')
      response.writeHead(faults.httpStatus, faults.retryAfterS == null ? {} : { 'retry-after': `${faults.retryAfterS}` }).end('no')
      return
    }
    if (faults.slowMs != null) {
      count('slow')
      await new Promise((resolve) => setTimeout(resolve, faults.slowMs! * (0.5 + random())))
    }
    if (faults.hugeBytes != null) {
      count('huge')
      response.writeHead(200, { 'content-type': 'application/json' })
      const chunk = Buffer.alloc(64 * 1024, ' ')
      for (let sent = 0; sent < faults.hugeBytes && !response.destroyed; sent += chunk.length) {
        if (!response.write(chunk)) {
          await new Promise<void>((resolve) => {
            const go = () => {
              response.off('drain', go).off('close', go)
              resolve()
            }
            response.on('drain', go).on('close', go)
          })
        }
      }
      response.end('{}')
      return
    }
    if (strikes(faults.garbage)) {
      count('garbage')
      // the real thing may have happened all the same
      if (random() < 0.5) {
        await respond(JSON.parse(body))
      }
      response.writeHead(200, { 'content-type': 'application/json' }).end(pick(GARBAGE))
      return
    }
    const answer = await respond(JSON.parse(body))
    if (strikes(faults.dropAnswer)) {
      count('dropAnswer')
      return
    }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
  }

  // -- WebSocket

  const webSockets = new WebSocketServer({ noServer: true })
  webSockets.on('connection', (near) => {
    const far = new WebSocket(upstreamSocket)
    const pair = { near, far }
    // what was half open once stays so: the other side is gone
    let dead = false
    const isDead = () => {
      dead ||= faults.halfOpen === true
      return dead
    }
    const waiting: string[] = []
    pairs.add(pair)
    far.on('open', () => {
      for (const text of waiting.splice(0)) {
        far.send(text)
      }
    })
    near.on('message', (data) => {
      if (isDead()) {
        return
      }
      if (far.readyState === WebSocket.OPEN) {
        far.send(data.toString())
      } else {
        waiting.push(data.toString())
      }
    })
    far.on('message', (data) => {
      if (isDead() || faults.frozen != null) {
        count('silence')
        return
      }
      let text = data.toString()
      if (strikes(faults.garbage)) {
        count('garbage notice')
        text = pick(NOTICE_GARBAGE)
      } else if (lies('slot')) {
        count('lie')
        text = text.replace(/"slot":(\d+)/g, (_all, slot) => `"slot":${Number(slot) + 1_000_000}`)
      }
      if (near.readyState === WebSocket.OPEN) {
        count('notice')
        near.send(text)
      }
    })
    const end = () => {
      pairs.delete(pair)
      near.terminate()
      far.terminate()
    }
    for (const socket of [near, far]) {
      socket.on('close', end)
      socket.on('error', end)
    }
  })

  const listen = async (): Promise<[Server, Server]> => {
    for (;;) {
      const first = serverOf()
      const second = serverOf()
      await new Promise<void>((resolve) => first.listen(0, '127.0.0.1', resolve))
      const { port } = first.address() as AddressInfo
      try {
        await new Promise<void>((resolve, reject) => {
          second.once('error', reject)
          second.listen(port + 1, '127.0.0.1', resolve)
        })
        return [first, second]
      } catch {
        first.close()
      }
    }
  }
  const serverOf = () => {
    const server = createServer((request, response) => {
      serve(request, response).catch(() => request.socket.destroy())
    })
    server.on('connection', (socket) => {
      if (faults.down === true) {
        count('down')
        socket.destroy()
        return
      }
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
    })
    server.on('upgrade', (request, socket, head) =>
      webSockets.handleUpgrade(request, socket, head, (near) => webSockets.emit('connection', near, request))
    )
    return server
  }
  const servers = await listen()

  return {
    url: `http://127.0.0.1:${(servers[0].address() as AddressInfo).port}`,
    set(next) {
      const freezes = next.frozen != null && faults.frozen == null
      faults = next
      if (next.frozen == null) {
        frozen = undefined
      } else if (freezes) {
        frozen = new Map([...asked].map(([key, { method, params }]) => [key, call(method, params)]))
        for (const answer of frozen.values()) {
          answer.catch(() => {})
        }
      }
      if (next.lies == null) {
        claimed.clear()
      }
      if (next.down === true) {
        for (const socket of sockets) {
          socket.destroy()
        }
      }
    },
    faults: () => faults,
    cutWebSockets() {
      for (const { near } of pairs) {
        near.terminate()
      }
    },
    webSockets: () => pairs.size,
    counters: () => ({ ...counters }),
    requests: () => Object.fromEntries(requested),
    async close() {
      if (closed) {
        return
      }
      closed = true
      for (const { near, far } of pairs) {
        near.terminate()
        far.terminate()
      }
      for (const server of servers) {
        server.closeAllConnections()
      }
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
    }
  }
}

/** A hash that no network has. */
export function otherGenesisHash(): string {
  return bs58.encode(generateKeyPairSync('ed25519').publicKey.export({ format: 'der', type: 'spki' }).subarray(-32))
}
