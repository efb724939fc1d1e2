/**
 * A process of its own, for tests: strangers of every kind come to a node and go, and a while later a snapshot of its heap says how many of
 * their PeerIds it still knows. In the process of other tests theirs would be counted, too.
 *
 * `node test/network/left-behind.ts STRANGERS ENOUGH` prints `{ came, named, maps }`: `maps` has the sizes of gossipsub's.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { getHeapSnapshot } from 'node:v8'
import { keyOf, spawnNode, waitFor } from './mesh.ts'

const [strangers = 0, enough = 0] = process.argv.slice(2).map(Number)
const node = await spawnNode('alice', true, new Map([[keyOf('alice').address, 1_000n]]), { nodes: 1 }, () => [])
node.discovery.start()
let came = 0
node.libp2p.addEventListener('peer:connect', () => came++)

/** What this process remembers of a PeerId: its name would be found in the heap. */
const digest = (peer: string): string => createHash('sha256').update(peer).digest('hex')

/** The PeerIds of those who came. */
async function visits(count: number): Promise<string[]> {
  const args = ['test/network/strangers.ts', String(node.libp2p.getMultiaddrs()[0]), String(count)]
  const { stdout } = await promisify(execFile)(process.execPath, args)
  return stdout
    .trim()
    .split('\n')
    .map((line) => line.split(' ')[0]!)
}

/** The PeerIds that this process knows by their text: in a map, a list, a closure, or a field that nobody can look at. */
async function peersInHeap(): Promise<Set<string>> {
  const found = new Set<string>()
  let text = ''
  for await (const chunk of getHeapSnapshot()) {
    text = text.slice(-60) + chunk
    for (const [peer] of text.matchAll(/12D3KooW[1-9A-HJ-NP-Za-km-z]{44}/g)) {
      found.add(peer)
    }
  }
  return found
}

const visitors = (await visits(strangers)).map(digest)
const first = came
await waitFor(() => node.libp2p.getConnections().length === 0)
// streams and their timers end by themselves within half a minute, and who broke a rule is remembered for one
let named = strangers
for (let tries = 0; tries < 20 && named > enough; tries++) {
  await setTimeout(tries === 0 ? 0 : 5_000)
  // one more: what is cleared when the next one comes is cleared
  await visits(1)
  for (const list of [node.events, node.hellos, node.refusals]) {
    list.length = 0
  }
  const known = new Set([...(await peersInHeap())].map(digest))
  named = visitors.filter((visitor) => known.has(visitor)).length
}
const maps = Object.entries(node.libp2p.services.pubsub).flatMap(([name, value]) =>
  value instanceof Map || value instanceof Set ? [[name, value.size]] : []
)
process.stdout.write(`${JSON.stringify({ came: first, named, maps: Object.fromEntries(maps) })}\n`)
process.exit(0)
