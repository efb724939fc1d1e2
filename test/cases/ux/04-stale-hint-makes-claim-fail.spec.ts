/** An address on K2 at which a node no longer is: the node says so at its start, and a claim that finds nobody speaks of the ledger. */
import { join } from 'node:path'
import { expect } from 'chai'
import { generateKeyPair, writeKeyFile } from '../../../src/identity/index.ts'
import { vote } from '../../../src/k2/settlement/index.ts'
import { hintPastNode } from '../../../src/network/past-hint.ts'
import { cli, run, tempDir } from '../../e2e/cli.ts'
import { type Chain, KOII, signerOf, startChain } from '../../k2/chain.ts'

const [PEER, OTHER] = ['12D3KooWHFrmLWTTDD4NodngtRMEVYgxrsDMp4F9iSwYntZ9WjHa', '12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5']

describe('cases: ux/04, a stale hint', function () {
  this.timeout(180_000)
  let chain: Chain
  let dir: string
  let remove: () => Promise<void>
  before(async () => {
    ;({ dir, remove } = await tempDir())
    chain = await startChain({ stakers: 1, slotMs: 100 })
  })
  after(async () => {
    await chain?.close()
    await remove?.()
  })

  it('is told from a forwarded port, and from the right one', () => {
    const own = [`/ip4/127.0.0.1/tcp/7001/p2p/${PEER}`, `/ip4/127.0.0.1/tcp/7002/ws/p2p/${PEER}`]
    expect(hintPastNode(own[0]!, own)).to.equal(undefined)
    expect(hintPastNode(`/dns4/node.example/tcp/1/p2p/${PEER}`, own)).to.equal(undefined)
    expect(hintPastNode(`/ip4/127.0.0.1/tcp/7000/p2p/${PEER}`, own)).to.match(/no longer listens/)
    expect(hintPastNode(`/ip4/127.0.0.1/tcp/7001/p2p/${OTHER}`, own)).to.match(/another peer/)
    expect(hintPastNode(`/ip4/203.0.113.9/tcp/7001/p2p/${PEER}`, own)).to.match(/this machine no longer has/)
    expect(hintPastNode('foo', own)).to.match(/not a multiaddr/)
    expect(hintPastNode(own[0]!, [])).to.equal(undefined)
  })

  it('is said at the start, with the command that sets it', async () => {
    const key = join(dir, 'key.json')
    const pair = generateKeyPair()
    await writeKeyFile(key, pair)
    await chain.stake(pair, KOII, `/ip4/127.0.0.1/tcp/1/p2p/${PEER}`)
    const node = cli([
      ...['start', '--k2', chain.k2.url, '--task', chain.task, '--key', key, '--data-dir', join(dir, 'node'), '--json'],
      ...['--allow-private', '--listen', '/ip4/127.0.0.1/tcp/0', '--api-port', '0', '--log-level', 'silent']
    ])
    try {
      const { multiaddrs } = await node.event('listening node', ({ event }) => event === 'listening')
      while (!node.stderr().includes('on K2')) {
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
      expect(node.stderr()).to.match(
        /^koii-mesh: the address of this node on K2, ".*tcp\/1\/p2p.*", names another peer: .*koii-mesh hint .*\n$/
      )
      expect(node.stderr()).to.include(multiaddrs[0])
    } finally {
      await node.clean()
    }
  })

  it('does not come of a restart: the port that was free is the same the next time', async () => {
    const key = join(dir, 'kept.json')
    await writeKeyFile(key, generateKeyPair())
    const at: string[] = []
    for (const _ of [1, 2]) {
      const node = cli([
        ...['start', '--k2', chain.k2.url, '--task', chain.task, '--key', key, '--data-dir', join(dir, 'kept'), '--json'],
        ...['--allow-private', '--api-port', '0', '--log-level', 'silent']
      ])
      const { multiaddrs } = await node.event('listening node', ({ event }) => event === 'listening')
      at.push(multiaddrs.sort().join(' '))
      await node.clean()
    }
    expect(at[1])
      .to.equal(at[0])
      .and.to.match(/\/tcp\/\d+\/p2p.*\/tcp\/\d+\/ws\/p2p/)
  })

  it('a claim that reaches nobody says what it lacks, and how to go on', async () => {
    const voter = chain.stakers[0]!
    const key = join(dir, 'voter.json')
    await writeKeyFile(key, voter)
    chain.toRound(2, 2)
    const [root, recordDigest] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]
    await chain.client.send(
      [vote({ task: chain.task, stakingKey: voter.address, cycle: 0, root, recordDigest, totalRewards: 1n })],
      [signerOf(voter)]
    )
    const { code, stdout, stderr } = await run(['claim', '--k2', chain.k2.url, '--task', chain.task, '--key', key])
    expect(stderr).to.match(
      /^koii-mesh: nobody gave the ledger of cycle 0, which says what is owed: asked 1 by their addresses \(.*\)\. .*--from[^\n]*\n$/
    )
    expect(stderr).not.to.match(/proof|bafyrei/)
    expect([code, stdout]).to.deep.equal([1, ''])
  })
})
