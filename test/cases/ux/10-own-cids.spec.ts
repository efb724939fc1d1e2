/** Whoever did not start a node with --json gets at the CIDs of its proofs and records all the same. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Cli, cli, run, tempDir } from '../../e2e/cli.ts'

describe('cases: ux/10, the CIDs of one’s own work', function () {
  this.timeout(300_000)
  let dir: string
  let remove: () => Promise<void>
  let k2: Cli
  let node: Cli | undefined
  before(async () => {
    ;({ dir, remove } = await tempDir())
  })
  after(async () => {
    await node?.clean()
    await k2?.clean()
    await remove?.()
  })

  it('a line of the node and the status have the proof, and proof get takes it', async () => {
    k2 = cli(['k2', '--port', '0', '--slot-ms', '100', '--traffic', '1', '--json'])
    const { url } = await k2.event('listening K2', ({ event }) => event === 'listening')
    const wallet = join(dir, 'wallet.json')
    await run(['keygen', '--out', wallet])
    const made = await run([
      ...['task', 'create', '--k2', url, '--bundle', 'k2-index', '--wallet', wallet],
      '--airdrop',
      '--json',
      '--round-slots',
      '60'
    ])
    const { task } = JSON.parse(made.stdout)
    const data = join(dir, 'node')
    node = cli([
      ...['start', '--k2', url, '--task', task, '--data-dir', data, '--bundle', 'k2-index', '--allow-private', '--log-level', 'silent'],
      ...['--stake', '10', '--airdrop']
    ])
    const submitted = async () => {
      for (;;) {
        const cid = /submitted the work, proof (baf\w+)/.exec(node!.stdout())?.[1]
        if (cid != null) {
          return cid
        }
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
    }
    const cid = await Promise.race([submitted(), node.ended.then(() => Promise.reject(new Error(node!.stderr())))])
    const status = JSON.parse((await run(['status', '--data-dir', data, '--json'])).stdout)
    expect(status.cycles.flatMap(({ entry }: { entry: { proofs?: string[] } }) => entry.proofs ?? [])).to.include(cid)
    const shown = (await run(['status', '--data-dir', data])).stdout
    expect(shown).to.match(new RegExp(`^proof +of cycle \\d+: ${cid}$`, 'm'))
    const got = await run(['proof', 'get', cid, '--data-dir', data, '--out', join(dir, 'proof'), '--json'])
    expect(got.code, got.stderr).to.equal(0)
    // all of it came from the node, also the block that was looked at first
    expect(JSON.parse(got.stdout)).to.include({ localBlocks: 0 })
    expect(JSON.parse(got.stdout).fromPeers).to.have.length(1)
  })

  it('the status has those of the last three cycles, and the records', async () => {
    const cycles = [9, 8, 7, 6].map((cycle) => ({
      cycle,
      entry: {
        outcome: 'accepted',
        paid: '0',
        total: '0',
        proofs: [`bafyproof${cycle}`, `bafyother${cycle}`],
        record: `bafyrecord${cycle}`
      }
    }))
    const status = {
      ...{ node: 'n', taskName: 'count', task: 't', slot: 1, cycle: 9, staked: true, stake: '0', finalizedCycle: 9, cycles },
      ...{ peers: { staked: 0, connected: 0, mesh: 0 }, rssBytes: 1, multiaddrs: [], bundles: [], notices: [] }
    }
    const server = createServer((_request, response) => response.end(JSON.stringify(status)))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    try {
      const { stdout } = await run(['status', '--url', `http://127.0.0.1:${(server.address() as AddressInfo).port}`])
      for (const cycle of [9, 8, 7]) {
        expect(stdout)
          .to.match(new RegExp(`^proof +of cycle ${cycle}: bafyproof${cycle}$`, 'm'))
          .and.to.match(new RegExp(`^proof +of cycle ${cycle}: bafyother${cycle}$`, 'm'))
          .and.to.match(new RegExp(`^record +of cycle ${cycle}: bafyrecord${cycle}$`, 'm'))
      }
      expect(stdout).not.to.include('bafyproof6')
    } finally {
      server.close()
    }
  })
})
