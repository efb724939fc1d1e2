/**
 * A node in a process of its own, for tests of what must not end it: prints its addresses, and for each line on its standard input how many
 * connections it has and what memory outside of the heap.
 */
import { createInterface } from 'node:readline'
import { CONNECTION_LIMITS } from '../../src/network/index.ts'
import { node, stakesOf } from './attackers.ts'

const listen = ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/tcp/0/ws']
const alice = await node('alice', stakesOf('alice'), {
  host: { listen, limits: { ...CONNECTION_LIMITS, pendingPerIp: 100, inboundPerSecond: 1_000 } }
})
const say = (told: object) => process.stdout.write(`${JSON.stringify(told)}\n`)
say({ addrs: alice.libp2p.getMultiaddrs().map(String) })
createInterface({ input: process.stdin })
  .on('line', () => say({ open: alice.libp2p.getConnections().length, externalBytes: process.memoryUsage().external }))
  .on('close', () => process.exit(0))
