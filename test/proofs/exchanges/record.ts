/**
 * Records how boxo's and Helia's Bitswap and ours speak with each other, byte for byte: `boxo.jsonl.gz` and `helia.jsonl.gz`
 * beside this file, which ../exchanges.spec.ts plays again. Run by hand when what we send has changed, or for another version:
 *
 *   (cd test/proofs/exchanges/boxo && go build -o /tmp/boxo .)
 *   node test/proofs/exchanges/record.ts /tmp/boxo
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import type { CID } from 'multiformats/cid'
import { BITSWAP_PROTOCOL, createExchange } from '../../../src/proofs/bitswap/index.ts'
import { keyOf } from '../../../src/proofs/cid-profile.ts'
import { systemTimers } from '../../../src/proofs/timers.ts'
import { Lab } from '../fixtures.ts'
import { boxo, helia, type Maker } from './makers.ts'
import { Asker, FETCHES, type Line, lengthOf, type Scene, SERVED, type Told, WANTED, WRITTEN } from './scenes.ts'

type Heard = Pick<Told, 'phase' | 'from'> & { frame: Uint8Array }

/** Cuts what passes on a stream into frames. */
function splitter(onFrame: (frame: Uint8Array) => void): (bytes: Uint8Array) => void {
  let rest: Uint8Array = new Uint8Array(0)
  return (bytes) => {
    rest = Buffer.concat([rest, bytes])
    for (let { length, at } = lengthOf(rest); at + length <= rest.length; { length, at } = lengthOf(rest)) {
      onFrame(rest.slice(0, at + length))
      rest = rest.slice(at + length)
    }
  }
}

/** A libp2p whose Bitswap streams are listened to. */
function tapped(libp2p: Libp2p, onFrame: (from: 'them' | 'us', frame: Uint8Array) => void): Libp2p {
  const tapConnection = (connection: Connection): Connection =>
    new Proxy(connection, {
      get(target, name) {
        if (name !== 'newStream') {
          return Reflect.get(target, name, target)
        }
        return async (...args: Parameters<Connection['newStream']>) => {
          const stream = await target.newStream(...args)
          const send = stream.send.bind(stream)
          const split = splitter((frame) => onFrame('us', frame))
          stream.send = (data) => {
            split(data.subarray())
            return send(data)
          }
          return stream
        }
      }
    })
  const onStream = (handler: (stream: Stream, connection: Connection) => void) => (stream: Stream, connection: Connection) => {
    const split = splitter((frame) => onFrame('them', frame))
    stream.addEventListener('message', (event) => split(event.data.subarray()))
    handler(stream, connection)
  }
  return new Proxy(libp2p, {
    get(target, name) {
      if (name === 'handle') {
        return (protocol: string, handler: never, options: object) => target.handle(protocol, onStream(handler), options)
      }
      if (name === 'getConnections') {
        return (...args: Parameters<Libp2p['getConnections']>) => target.getConnections(...args).map(tapConnection)
      }
      const value = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    }
  })
}

const QUIET_MS = 1_500

/** Until nothing was said for a while. */
async function quiet(told: Heard[]): Promise<void> {
  for (let before = -1; before !== told.length; ) {
    before = told.length
    await sleep(QUIET_MS)
  }
}

async function recordAll(name: string, make: (lab: Lab) => Promise<Maker>): Promise<void> {
  const lines: Line[] = []
  /** One exchange between a new node of theirs and a new one of ours. */
  const scene = async (title: string, theirs: Scene['theirs'], run: (parts: Parts) => Promise<Line & { outcome: object }>) => {
    const lab = new Lab()
    const maker = await make(lab)
    const told: Heard[] = []
    const state = { phase: 0 }
    const libp2p = await lab.host()
    const ours = new Map(SERVED.map(({ cid, bytes }) => [keyOf(cid), bytes]))
    const blocks = { read: async (cid: CID) => ours.get(keyOf(cid)), has: async (cid: CID) => ours.has(keyOf(cid)) }
    const onFrame = (from: 'them' | 'us', frame: Uint8Array) => void told.push({ phase: state.phase, from, frame })
    const exchange = createExchange({ libp2p: tapped(libp2p, onFrame), blocks, timers: systemTimers, log: () => {} })
    await exchange.start()
    for (const one of theirs) {
      await maker.put(one)
    }
    const outcome = await run({ maker, libp2p, exchange, told, state })
    for (const { frame, ...rest } of told) {
      lines.push({ scene: title, ...rest, frame: Buffer.from(frame).toString('base64'), meaning: await maker.decode(frame) })
    }
    lines.push(outcome)
    console.log(`${name}, ${title}: ${told.length} messages, the longest ${Math.max(...told.map(({ frame }) => frame.length))} bytes`)
    await exchange.stop()
    await maker.stop()
    await lab.end()
  }
  interface Parts {
    maker: Maker
    libp2p: Libp2p
    exchange: ReturnType<typeof createExchange>
    told: Heard[]
    state: { phase: number }
  }

  for (const { name: title, theirs, phases } of FETCHES) {
    await scene(title, theirs, async ({ maker, libp2p, exchange, told, state }) => {
      const connection = await libp2p.dial(multiaddr(maker.addr))
      const asker = new Asker()
      for (const [phase, todo] of phases.entries()) {
        for (const one of todo.put ?? []) {
          await maker.put(one)
        }
        state.phase = phase
        await asker.act(exchange.client, connection.remotePeer, todo)
        await quiet(told)
      }
      return { scene: title, outcome: asker.outcome() }
    })
  }
  await scene('they ask', [], async ({ maker, libp2p, told }) => {
    await maker.connect(libp2p)
    const blocks = await maker.get(WANTED, 3_000)
    await quiet(told)
    return { scene: 'they ask', outcome: { blocks, dontHave: [], tooLarge: [] } }
  })
  for (const { name: title, wants } of WRITTEN) {
    await scene(title, [], async ({ maker, libp2p, told }) => {
      const sender = new Lab()
      const them = await sender.host()
      // who is answered has to take it
      await them.handle(BITSWAP_PROTOCOL, (stream) => stream.addEventListener('message', () => {}))
      await them.dial(libp2p.getMultiaddrs())
      const stream = await them.dialProtocol(libp2p.peerId, BITSWAP_PROTOCOL)
      stream.send(await maker.encode(wants))
      await quiet(told)
      await sender.end()
      return { scene: title, outcome: { blocks: [], dontHave: [], tooLarge: [] } }
    })
  }
  const path = join(import.meta.dirname, `${name}.jsonl.gz`)
  const gzipped = gzipSync(lines.map((line) => JSON.stringify(line)).join('\n'), { level: 9 })
  writeFileSync(path, gzipped)
  console.log(`${path}: ${lines.length} lines, ${gzipped.length} bytes`)
}

const [, , path] = process.argv
if (path != null) {
  await recordAll('boxo', () => boxo(path))
}
await recordAll('helia', helia)
