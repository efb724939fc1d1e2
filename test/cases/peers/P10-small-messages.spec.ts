/**
 * Words to users who came from elsewhere. What is fetched at the look counts as fetched: test/cases/ux/10-own-cids.spec.ts; a hello
 * that was too early: test/network/hello.spec.ts.
 */
import { expect } from 'chai'
import { CID as Cid } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { run, tempDir } from '../../e2e/cli.ts'

const CID = 'bafyreihirt3benorv55dy5ab7vqdpdw4td3hsjl5kpqtz6ofwiwthsweua'
const PEER = '12D3KooWHFrmLWTTDD4NodngtRMEVYgxrsDMp4F9iSwYntZ9WjHa'
const SHA2_512 = Cid.createV1(0x55, Digest.create(0x13, new Uint8Array(64))).toString()
const START = ['start', '--k2', 'http://127.0.0.1:9', '--task', '1'.repeat(32)]

describe('cases: peers/P10, small messages', function () {
  this.timeout(120_000)
  let dir: string
  let remove: () => Promise<void>
  before(async () => {
    ;({ dir, remove } = await tempDir())
  })
  after(() => remove())

  const refused: Array<[string, string[], RegExp]> = [
    [
      'QUIC to fetch from',
      ['proof', 'get', CID, '--from', `/ip4/1.2.3.4/udp/4001/quic-v1/p2p/${PEER}`],
      /is not an address over TCP: .*WebSocket/
    ],
    ['a relay', ['proof', 'get', CID, '--from', `/ip4/1.2.3.4/tcp/1/p2p/${PEER}/p2p-circuit/p2p/${PEER}`], /leads over another peer/],
    ['QUIC to begin with', [...START, '--bootstrap', `/ip4/1.2.3.4/udp/4001/quic-v1/p2p/${PEER}`], /has udp in it.*TCP and WebSocket only/],
    [
      'WebTransport to listen on',
      [...START, '--listen', '/ip4/0.0.0.0/udp/4001/quic-v1/webtransport'],
      /has udp in it.*TCP and WebSocket only/
    ],
    ['UDP to announce', [...START, '--announce', '/dns4/node.example/udp/4001'], /has udp in it.*TCP and WebSocket only/],
    ['a host alone', [...START, '--announce', '/dns4/node.example'], /has no TCP port/],
    ['a hint', ['hint', '--task', '1'.repeat(32), '--key', 'k.json', `/ip4/1.2.3.4/udp/1/p2p/${PEER}`], /is not an address over TCP/],
    [
      'a CID of version 0',
      ['proof', 'get', 'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG', '--from', `/ip4/127.0.0.1/tcp/1/p2p/${PEER}`],
      /is a CID of version 0.*ipfs add --cid-version=1/
    ],
    ['a CID with another hash', ['proof', 'get', SHA2_512], /is not the CID of a proof \(hash 0x13/]
  ]
  for (const [name, args, says] of refused) {
    it(`${name} is wrong usage, at once`, async () => {
      const { code, stderr } = await run(args, { cwd: dir, env: { HOME: dir } })
      expect([code, stderr.trimEnd().split('\n').length], stderr).to.deep.equal([2, 1])
      expect(stderr).to.match(says)
    })
  }
})
