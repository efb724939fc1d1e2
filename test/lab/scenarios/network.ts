/** The lab's own network, tried with datagrams: what arrives, from whom, and what does not. Writes `DIR/outcome.json`. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { bothWays, createNetwork } from '../network.ts'
import type { NetworkOutcome } from './outcomes.ts'

const A = '45.77.1.10'
const B = '45.77.1.11'
const ROUTER = '45.77.9.1'
const PORT = 9000
const PACKETS = 1000

const dir = process.argv[2]!
const network = createNetwork()
network.addHost('a', A)
network.addHost('b', B)
network.addBehindRouter('c', ROUTER)

interface Host {
  child: ChildProcess
  heard: Array<{ from: string; text: string }>
  /** Resolves with null, or with why it could not be sent. */
  send(to: string, text: string): Promise<string | null>
  /** Resolves when this text has been heard; what was sent before it, and can arrive, has arrived then. */
  hears(text: string): Promise<void>
}

async function host(name: string): Promise<Host> {
  const [file, ...args] = [...network.on(name), process.execPath, join(import.meta.dirname, 'udp-host.ts'), String(PORT)]
  const child = spawn(file!, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const heard: Host['heard'] = []
  const waiting = new Map<string, (why: string | null) => void>()
  const bound = Promise.withResolvers<void>()
  createInterface({ input: child.stdout! }).on('line', (line) => {
    const { from, text, sent, failed, reason } = JSON.parse(line)
    if (from != null) {
      heard.push({ from, text })
      waiting.get(`heard ${text}`)?.(null)
    } else if (sent != null || failed != null) {
      waiting.get(`sent ${sent ?? failed}`)?.(reason ?? null)
    } else {
      bound.resolve()
    }
  })
  await bound.promise
  const once = (key: string) => new Promise<string | null>((resolve) => waiting.set(key, resolve))
  return {
    child,
    heard,
    send(to, text) {
      const done = once(`sent ${text}`)
      child.stdin!.write(`${JSON.stringify({ to, text })}\n`)
      return done
    },
    async hears(text) {
      if (!heard.some((one) => one.text === text)) {
        await once(`heard ${text}`)
      }
    }
  }
}

const [a, b, c] = await Promise.all([host('a'), host('b'), host('c')])
const driver = createSocket('udp4')
let asked = 0

/** The driver is on the bridge, where nothing is cut: what it sends arrives after what was sent before. */
async function settle(host: Host, address: string): Promise<void> {
  const text = `settle ${asked++}`
  const heard = host.hears(text)
  driver.send(text, PORT, address)
  await heard
}

/** From whom a text was heard; null when it did not arrive. */
async function passes(from: Host, to: Host, address: string, text: string, settleAt = address): Promise<string | null> {
  await from.send(address, text)
  await settle(to, settleAt)
  return to.heard.find((one) => one.text === text)?.from ?? null
}

const outcome: NetworkOutcome = {
  plain: await passes(b, a, A, 'plain'),
  wayOut: await a.send('192.0.2.1', 'out'),
  cutOneWay: null,
  cutOtherWay: null,
  cutBothWays: [],
  mended: null,
  fromBehindRouter: null,
  answered: false,
  toBehindRouter: null,
  movedFrom: null,
  movedTo: null,
  lost: 0,
  packets: PACKETS
}
// b has heard of a by now, and a of b: who is where is known
await passes(a, b, B, 'back')

network.setCuts([{ from: [A], to: [B] }])
outcome.cutOneWay = await passes(a, b, B, 'one way')
outcome.cutOtherWay = await passes(b, a, A, 'other way')
network.setCuts(bothWays([A], [B, ROUTER]))
outcome.cutBothWays = [await passes(a, b, B, 'both 1'), await passes(b, a, A, 'both 2'), await passes(c, a, A, 'both 3')]
network.setCuts([])
outcome.mended = await passes(a, b, B, 'mended')

const greeted = a.hears('hello')
await c.send(A, 'hello')
await greeted
outcome.fromBehindRouter = a.heard.find(({ text }) => text === 'hello')!.from
const answer = c.hears('answer')
await a.send(ROUTER, 'answer')
await answer
outcome.answered = true
outcome.toBehindRouter = await a.send('10.99.0.2', 'inside')

network.move('b', '45.77.2.99')
outcome.movedFrom = await passes(a, b, B, 'to the old address', '45.77.2.99')
outcome.movedTo = await passes(a, b, '45.77.2.99', 'to the new address')

network.setLoss(5)
for (let i = 0; i < PACKETS; i++) {
  await b.send(A, `packet ${i}`)
}
await settle(a, A)
outcome.lost = PACKETS - a.heard.filter(({ text }) => text.startsWith('packet ')).length

writeFileSync(join(dir, 'outcome.json'), JSON.stringify(outcome, null, 2))
process.exit(0)
