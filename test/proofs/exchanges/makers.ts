/** The two whose exchanges are recorded: boxo in a process of its own, stock Helia in this one. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import type { Libp2p } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { CID } from 'multiformats/cid'
import { create } from 'multiformats/hashes/digest'
import { sha256 } from 'multiformats/hashes/sha2'
import type { Lab } from '../fixtures.ts'
import { stockNode } from '../stock.ts'
import { type Block, lengthOf, type Meaning } from './scenes.ts'

export interface Maker {
  addr: string
  put(block: Block): Promise<void>
  /** Asks for all of these, in one session, until the time is up. */
  get(cids: CID[], timeoutMs: number): Promise<string[]>
  connect(libp2p: Libp2p): Promise<void>
  /** What its own code reads in a frame with its length. */
  decode(frame: Uint8Array): Promise<Meaning>
  /** What its own code writes. */
  encode(wants: Meaning['wants']): Promise<Uint8Array>
  stop(): Promise<void>
}

/** @param path of what `go build` makes of boxo/main.go */
export async function boxo(path: string): Promise<Maker> {
  const child: ChildProcess = spawn(path, { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout! })
  const [first] = await once(lines, 'line')
  const waiting = new Map<number, (answer: Record<string, unknown>) => void>()
  lines.on('line', (line) => {
    const { id, ...answer } = JSON.parse(line)
    waiting.get(id)?.(answer)
    waiting.delete(id)
  })
  let last = 0
  const call = (command: object) => {
    const id = ++last
    const { promise, resolve } = Promise.withResolvers<Record<string, unknown>>()
    waiting.set(id, resolve)
    child.stdin!.write(`${JSON.stringify({ id, ...command })}\n`)
    return promise
  }
  return {
    addr: JSON.parse(first).addr,
    async put({ cid, bytes }) {
      await call({ op: 'put', codec: cid.code, data: Buffer.from(bytes).toString('base64') })
    },
    async get(cids, timeoutMs) {
      const { got } = await call({ op: 'get', cids: cids.map(String), timeoutMs })
      return Object.keys(got as object).sort()
    },
    async connect(libp2p) {
      await call({ op: 'connect', addr: `${libp2p.getMultiaddrs()[0]}` })
    },
    async decode(frame) {
      const { wants, blocks, haves, dontHaves } = (await call({
        op: 'decode',
        frame: Buffer.from(frame).toString('base64')
      })) as unknown as Meaning
      return { wants, blocks, haves, dontHaves }
    },
    async encode(wants) {
      return Buffer.from((await call({ op: 'encode', wants })).frame as string, 'base64')
    },
    async stop() {
      child.stdin!.end()
      await once(child, 'exit')
    }
  }
}

interface StockMessage {
  wantlist?: { entries: Array<{ cid: Uint8Array; priority: number; cancel?: boolean; wantType?: string; sendDontHave?: boolean }> }
  blocks: Array<{ prefix: Uint8Array; data: Uint8Array }>
  blockPresences: Array<{ cid: Uint8Array; type: string }>
}

/** Reads and writes messages as `@helia/bitswap` does. */
async function stockCodec() {
  const path = join(import.meta.dirname, '../../../node_modules/@helia/bitswap/dist/src/pb/message.js')
  const { BitswapMessage } = (await import(pathToFileURL(path).href)) as {
    BitswapMessage: { decode(bytes: Uint8Array): StockMessage; encode(message: object): Uint8Array }
  }
  return {
    async decode(frame: Uint8Array): Promise<Meaning> {
      const { wantlist, blocks, blockPresences } = BitswapMessage.decode(frame.subarray(lengthOf(frame).at))
      const of = (type: string) => blockPresences.flatMap((one) => (one.type === type ? [CID.decode(one.cid).toString()] : []))
      return {
        wants: (wantlist?.entries ?? []).map(({ cid, cancel, wantType, sendDontHave }) => ({
          cid: CID.decode(cid).toString(),
          ...(cancel === true ? { cancel } : {}),
          ...(wantType === 'WantHave' ? { have: true } : {}),
          ...(sendDontHave === true ? { sendDontHave } : {})
        })),
        blocks: await Promise.all(
          blocks.map(async ({ prefix, data }) => ({
            cid: CID.createV1(prefix[1]!, create(0x12, (await sha256.digest(data)).digest)).toString(),
            bytes: data.length
          }))
        ),
        haves: of('HaveBlock'),
        dontHaves: of('DoNotHaveBlock')
      }
    },
    async encode(wants: Meaning['wants']): Promise<Uint8Array> {
      const entries = wants.map(({ cid, cancel = false, have = false, sendDontHave = false }) => ({
        cid: CID.parse(cid).bytes,
        priority: 1,
        cancel,
        wantType: have ? 'WantHave' : 'WantBlock',
        sendDontHave
      }))
      const bytes = BitswapMessage.encode({ wantlist: { full: false, entries }, blocks: [], blockPresences: [], pendingBytes: 0 })
      const head: number[] = []
      for (let rest = bytes.length; rest > 0 || head.length === 0; rest = Math.floor(rest / 128)) {
        head.push((rest % 128) + (rest >= 128 ? 128 : 0))
      }
      return Buffer.concat([Uint8Array.from(head), bytes])
    }
  }
}

export async function helia(lab: Lab): Promise<Maker> {
  const node = await stockNode(lab)
  return {
    addr: `${node.libp2p.getMultiaddrs()[0]}`,
    async put({ cid, bytes }) {
      await node.helia.blockstore.put(cid, bytes)
    },
    async get(cids, timeoutMs) {
      const got = await Promise.all(
        cids.map((cid) =>
          node.get(cid, timeoutMs).then(
            () => [cid.toString()],
            () => []
          )
        )
      )
      return got.flat().sort()
    },
    async connect(libp2p) {
      await node.libp2p.dial(multiaddr(`${libp2p.getMultiaddrs()[0]}`))
    },
    ...(await stockCodec()),
    stop: async () => {}
  }
}
