import { join } from 'node:path'
import { Keypair } from '@solana/web3.js'
import { expect } from 'chai'
import { createLocalK2, type LocalK2, type LocalK2Clock, type LocalK2Log } from '../../../src/local-k2/index.ts'
import { type SmallDisk, smallDisk } from '../../small-disk.ts'

describe('cases: the local K2 on a full disk', () => {
  let disk: SmallDisk | undefined
  let k2: LocalK2 | undefined
  afterEach(async () => {
    await k2?.stop().catch(() => {})
    await disk?.unmount()
  })

  it('takes nothing that it cannot store, says so to clients and to its operator, and goes on when there is room', async function () {
    this.timeout(60_000)
    disk = await smallDisk(this, 4096)
    let nowMs = 1_700_000_000_000
    let tick: (() => void) | undefined
    const clock: LocalK2Clock = {
      nowMs: () => nowMs,
      after: (_ms, fn) => {
        tick = fn
        return () => {}
      }
    }
    const next = () => {
      nowMs += 60_000
      tick!()
    }
    const said: string[] = []
    const say = (_facts: object, text: string) => void said.push(text)
    const log: LocalK2Log = { debug: () => {}, info: () => {}, warn: say, error: say }
    const dataDir = join(disk.dir, 'd')
    const open = () => createLocalK2({ port: 0, dataDir, clock, log })
    k2 = await open()
    await k2.start()
    const call = async (method: string, params: unknown[]) => {
      const response = await fetch(k2!.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
      })
      return (await response.json()) as { result?: unknown; error?: { code: number; message: string } }
    }
    const airdrop = () => call('requestAirdrop', [Keypair.generate().publicKey.toBase58(), 1_000_000_000])

    const confirmed: string[] = []
    for (let round = 0; round < 3; round++) {
      confirmed.push((await airdrop()).result as string)
      next()
    }
    disk.fill()
    // in the slot in progress when the disk turns out to be full: told to nobody as confirmed
    const waiting = (await airdrop()).result as string
    const stuck = k2.slot()
    for (let round = 0; round < 200 && said.length === 0; round++) {
      next()
      if (said.length === 0) {
        disk.fill()
        await airdrop()
      }
    }
    next()
    next()
    expect(said).to.have.length(1)
    expect(said[0]).to.match(/the chain stands still: slot \d+ cannot be stored: the disk of .* is full .*make room there/)
    const at = k2.slot()
    expect(at).to.be.at.least(stuck)
    for (const answer of [await airdrop(), await airdrop()]) {
      expect(answer.result).to.equal(undefined)
      expect(answer.error?.code).to.equal(-32005)
      expect(answer.error?.message).to.match(/^Node is unhealthy: slot \d+ cannot be stored: the disk of .* is full/)
    }
    expect((await call('getHealth', [])).error).to.include({ code: -32005, message: 'Node is unhealthy' })
    expect(k2.slot()).to.equal(at)

    disk.free()
    next()
    expect(said).to.have.length(2)
    expect(said[1]).to.match(/the chain goes on/)
    expect((await call('getHealth', [])).result).to.equal('ok')
    confirmed.push(waiting, (await airdrop()).result as string)
    next()
    await k2.stop()
    k2 = await open()
    await k2.start()
    const { result } = await call('getSignatureStatuses', [confirmed, { searchTransactionHistory: true }])
    for (const status of (result as { value: Array<{ confirmationStatus: string } | null> }).value) {
      expect(status?.confirmationStatus).to.equal('finalized')
    }
  })

  it('says that the disk is full, or read-only, when it starts there', async function () {
    disk = await smallDisk(this, 2048)
    const dataDir = join(disk.dir, 'd')
    k2 = await createLocalK2({ port: 0, dataDir })
    await k2.stop()
    const refusal = async () =>
      createLocalK2({ port: 0, dataDir }).then(
        () => 'it started',
        (err: Error) => err.message
      )
    disk.remount('ro')
    expect(await refusal()).to.match(/is read-only .*The chain that is kept there is whole/)
    disk.remount('rw')
    disk.fill()
    const fresh = await createLocalK2({ port: 0, dataDir: join(disk.dir, 'new') }).then(
      () => 'it started',
      (err: Error) => err.message
    )
    expect(fresh).to.match(/the disk of .* is full/)
  })
})
